// The last job of a tab without pictures: how far it is, a button to stop it, and what came of it.
"use strict";

/** `outcome(job)` gives the elements that tell of a finished job; `during(job)` those of a running one. */
function startJobPanel(tab, {outcome, during = () => []}) {
    const panel = document.getElementById(`${tab}_job`), state = panel.querySelector(".job-panel-state"), bar = panel.querySelector(".bar");
    const more = panel.querySelector(".job-panel-more"), stop = document.getElementById(`${tab}_stop`);
    let id = "", shown = "", last = null;

    function words(job) {
        const progress = job.progress;
        if (job.state === "queued") return waitingWords(job);
        if (job.state !== "running") return [t(`job.state.${job.state}`), job.result.seconds ? t("job.took", {time: formatTime(job.result.seconds)}) : ""].filter(Boolean).join(" \u00b7 ");
        if (!progress) return t("stage.starting");
        const parts = [progress.steps && progress.step ? t("job.step", {step: progress.step, steps: progress.steps}) : t(`job.stage.${progress.stage}`)];
        if (progress.eta_s) parts.push(t("job.left", {time: formatTime(progress.eta_s)}));
        return parts.join(" \u00b7 ");
    }

    function show(job) {
        last = job;
        const running = job.state === "running", live = running || job.state === "queued";
        const part = Math.round((job.progress?.fraction || 0) * 100);
        if (state.textContent !== words(job)) state.textContent = words(job);
        bar.hidden = !running;
        bar.firstElementChild.style.width = `${part}%`;
        bar.setAttribute("aria-valuenow", String(part));
        stop.hidden = !live;
        const mark = JSON.stringify([job, easel.pick()]);
        if (mark === shown) return;
        shown = mark;
        const error = job.error ? [make("p", {class: "log bad", text: `${job.error.message} ${job.error.hint}`})] : [];
        more.replaceChildren(...error, ...(live ? during(job) : outcome(job)), ...job.result.warnings.map((text) => make("p", {class: "quiet", text})));
    }

    async function look() {
        const asked = id;
        let again = 0;
        try {
            const job = await ask(`easel/jobs/${asked}`);
            if (asked !== id) return;
            show(job);
            if (["queued", "running"].includes(job.state)) again = 500;
        } catch (error) { if (error.status !== 404) again = 1500; }
        if (again) setTimeout(() => { if (asked === id) look(); }, again);
    }

    function watch(job) { id = job; look(); }
    function empty() { if (!last) state.textContent = t(panel.dataset.empty); }
    stop.onclick = () => jobAction(id, last?.state === "queued" ? "cancel" : "interrupt").then(look).catch(tell);
    document.addEventListener("easel-language", () => { empty(); if (last) show(last); });
    ask(`easel/jobs?tag=${tab}&last=1`).then(([job]) => { if (job && !id) watch(job.id); }).catch(() => {});
    empty();
    return {watch, refuse(text) { document.getElementById(`html_log_${tab}`).textContent = text; }};
}

/** The answer of a form with a job panel: {id} or {error, hint, control}. */
function panelSubmitted(panel, raw) {
    let reply = {};
    try { reply = JSON.parse(raw || "{}"); } catch { return; }
    document.querySelectorAll(".field-wrong").forEach((one) => one.classList.remove("field-wrong"));
    panel.refuse(reply.error ? `${reply.error} ${reply.hint || ""}` : "");
    if (reply.control) document.getElementById(reply.control)?.classList.add("field-wrong");
    if (reply.id) panel.watch(reply.id);
}
