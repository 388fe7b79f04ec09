// From the press of Generate to the picture: the job is watched by its id, through reloads and restarts.
"use strict";

const watched = {};

/** A tab's job waits or runs; without a name: that of any tab. */
function tabBusy(tab) { return tab ? !!watched[tab]?.live : Object.values(watched).some((one) => one.live); }
Object.defineProperty(easel, "busy", {get: () => tabBusy()});

function jobAction(id, action) { return ask(`easel/jobs/${id}/${action}`, {}); }

/** Tell that a request of a tab came to its end: "refused", or the last state of its job. */
function tellEnd(tab, state) { document.dispatchEvent(new CustomEvent("easel-ended", {detail: {tab, state}})); }

const answered = {};

/** Called with what submit answered: {id} or {error, hint, field}. */
function easelSubmitted(tab, raw) {
    let reply = {};
    try { reply = JSON.parse(raw || "{}"); } catch { return; }
    document.getElementById(`${tab}_generate`).classList.remove("sent");
    if (reply.client && reply.client === answered[tab]) return; // an answer that was seen: the press did not arrive
    answered[tab] = reply.client;
    newClientId(tab);
    const panel = document.getElementById(`html_log_${tab}`);
    forgetErrors(tab);
    if (reply.error) {
        const part = (reply.field || "").split(".").pop();
        const control = document.getElementById(`${tab}_${{sampler: "sampling", schedule: "scheduler", cfg_scale: "cfg_scale"}[part] || part}`);
        control?.classList.add("field-wrong");
        panel.classList.add("wrong");
        panel.textContent = `${reply.error} ${reply.hint || ""}`;
        if (!uiElementInSight(panel)) toast(panel.textContent, null, true);
        tellEnd(tab, "refused");
    } else if (reply.id) {
        if (reply.note) { toast(reply.note); panel.textContent = reply.note; }
        watchJob(tab, reply.id, true);
    }
}

/** What was wrong with the last press is no longer said. */
function forgetErrors(tab) {
    const panel = document.getElementById(`html_log_${tab}`);
    panel.textContent = "";
    panel.classList.remove("wrong");
    document.querySelectorAll(".field-wrong").forEach((one) => one.classList.remove("field-wrong"));
    document.querySelector(".easel-toast.wrong")?.remove();
}

/** A new press gets a new id; presses before the answer share one, so a double click makes one job. */
function newClientId(tab) { setValue(box(`${tab}_client_id`), randomId()); }

/** The place in the queue, and when the turn comes if past jobs tell. */
function waitingWords(job) {
    const words = t("stage.queued", {place: job.place || 1});
    return job.starts_in_s === null || job.starts_in_s === undefined ? words : `${words} \u00b7 ${t("stage.starts_in", {time: formatTime(Math.round(job.starts_in_s))})}`;
}

function showProgress(tab, job) {
    const row = document.querySelector(`#${tab}_results_panel .progress-row`), bar = row.querySelector(".bar");
    const running = job.state === "running", progress = job.progress, waits = job.state === "queued";
    row.hidden = false;
    const part = running && progress ? progress.fraction : waits ? 0 : 1;
    bar.firstElementChild.style.width = `${(part * 100).toFixed(1)}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(part * 100)));
    bar.hidden = !running;
    const words = [];
    if (waits) words.push(waitingWords(job));
    else if (running) {
        if (watched[tab]?.stopping) words.push(t(watched[tab].stopping));
        if (progress?.steps && progress.stage === "denoise") words.push(t("job.step", {step: progress.step, steps: progress.steps}));
        else if (progress) words.push(t(`job.stage.${progress.stage}`));
        else words.push(t("stage.starting"));
        if (progress?.images > 1) words.push(t("job.image", {image: Math.min(progress.image + 1, progress.images), images: progress.images}));
        if (progress?.eta_s) words.push(t("job.left", {time: formatTime(progress.eta_s)}));
        if (job.requeued) words.push(t("job.requeued"));
    } else {
        if (job.state !== "done") words.push(t(`job.state.${job.state}`));
        if (job.result.seconds) words.push(t("job.took", {time: formatTime(job.result.seconds)}));
        if (job.result.peak_bytes) words.push(t("job.peak", {memory: formatBytes(job.result.peak_bytes)}));
        words.push(...job.result.warnings);
    }
    row.querySelector(".progress-text").textContent = words.join(" \u00b7 ");
    row.hidden = !words.length;
    document.getElementById(`${tab}_actions_column`).classList.toggle("busy", running || waits);
    for (const name of ["interrupt", "skip"]) document.getElementById(`${tab}_${name}`).disabled = !running && !waits;
    const left = progress?.eta_s ? ` \u00b7 ${t("job.left", {time: formatTime(progress.eta_s)})}` : "";
    if (easel.titleProgress && (running || tab === easel.maker)) setTitle(running ? `${Math.round(part * 100)}%${left}` : waits ? t("job.state.queued") : "");
}

/** Follow one job until it is over. A newer press waits in the queue until the older one is done. */
function watchJob(tab, id, isNew) {
    const now = watched[tab];
    if (isNew && now && now.id !== id && now.live) { now.next.push(id); return; }
    const watch = watched[tab] = {id, live: true, next: now?.next || []};
    (async function look() {
        if (watched[tab] !== watch) return;
        let again = easel.refreshMs;
        try {
            const job = await ask(`easel/jobs/${id}`);
            if (watched[tab] !== watch) return;
            watch.job = job;
            watch.live = ["queued", "running"].includes(job.state);
            easel.galleries[tab].show(job);
            showProgress(tab, job);
            if (!watch.live) {
                tellEnd(tab, job.state);
                if (watch.next.length) setTimeout(() => watchJob(tab, watch.next.shift()), 600);
                else setTimeout(() => watchNext(tab, watch), 600);
                return;
            }
            if (job.state === "running" && !job.preview) again = Math.min(again, 200);
        } catch (error) {
            if (error.status === 404) { watch.live = false; return; }
            again = 1500;
        }
        setTimeout(look, again);
    })();
}

/** After a job: the next one of a batch, which the server hands in by itself. */
async function watchNext(tab, watch) {
    const [last] = await ask(`easel/jobs?tag=${tab}&last=1`).catch(() => []);
    if (watched[tab] === watch && last && last.id !== watch.id && ["queued", "running"].includes(last.state)) watchJob(tab, last.id);
}

/** Say at once that a press was heard: the first one lets the picture that is being made be finished, if more are to come. */
function tellStopping(tab, watch) {
    const progress = watch.job?.progress;
    const finishes = !watch.stopping && opts.interrupt_after_current && progress && progress.batch + 1 < progress.batches;
    watch.stopping = finishes ? "job.stopping_after" : "job.stopping";
    if (watch.job) showProgress(tab, watch.job);
}

/** A button that hands the form in: a double click counts once, and what was drawn goes first. */
function startPress(tab, button) {
    const generate = document.getElementById(`${tab}_generate`);
    let settled = false;
    button.addEventListener("click", (event) => {
        if (event.detail > 1) { event.stopImmediatePropagation(); return; } // the second half of a double click
        generate.classList.add("sent");
        forgetErrors(tab);
        const drawing = tab === "img2img" && !settled && easel.modes && modePicture();
        if (!drawing || (!drawing.unsaved && !drawing.saving)) { settled = false; return; }
        event.stopImmediatePropagation();
        event.preventDefault();
        settleDrawing().then(() => setTimeout(() => { settled = true; button.click(); }, 60)).catch((error) => { generate.classList.remove("sent"); tell(error); });
    }, true);
}

function startWatching(tab) {
    newClientId(tab);
    for (const button of document.querySelectorAll(`#${tab}_generate, #${tab}_outpaint_go`)) startPress(tab, button);
    for (const name of ["interrupt", "skip"]) {
        const button = document.getElementById(`${tab}_${name}`);
        button.disabled = true;
        button.addEventListener("click", () => {
            const watch = watched[tab];
            if (!watch || !tabBusy(tab)) return;
            jobAction(watch.id, name).catch(tell);
            if (name === "interrupt") tellStopping(tab, watch);
        });
    }
    document.addEventListener("easel-language", () => { if (watched[tab]?.job) showProgress(tab, watched[tab].job); });
    ask(`easel/jobs?tag=${tab}&last=1`).then((found) => { if (found.length && !watched[tab]) watchJob(tab, found[0].id); }).catch(() => {});
}

onUiLoaded(() => {
    for (const tab of easel.forms) startWatching(tab);
});
