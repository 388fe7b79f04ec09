// Queue: every job with its state, picture and what can be done about it. Asked for only while it is looked at.
"use strict";

onUiLoaded(() => {
    const list = document.getElementById("queue_list"), note = document.getElementById("queue_note"), rows = new Map();
    let filter = "all", shown = false, timer = 0;
    const groups = {failed: ["failed", "cancelled", "interrupted"]};

    function button(name, words, act) {
        return make("button", {type: "button", class: "tool-like", title: t(words), "aria-label": t(words), on: {click: () => act().then(look).catch(tell)}}, icon(name));
    }

    function actions(job) {
        const act = (action) => () => jobAction(job.id, action);
        if (job.state === "queued") return [button("up", "queue.up", act("up")), button("down", "queue.down", act("down")), button("clear", "queue.cancel", act("cancel"))];
        if (job.state === "running") return [button("stop", "queue.stop", act("interrupt"))];
        const copy = job.error ? [button("paste", "stage.copy", async () => toast(t(await copyText(errorDetails(job.error)) ? "stage.copied" : "stage.not_copied")))] : [];
        const show = easel.galleries[job.tag] && job.pictures.length
            ? [button("show", "queue.show", async () => { watchJob(job.tag, job.id); selectTab(job.tag); })] : [];
        if (job.training) return job.state === "done" ? [] : [...copy, button("refresh", "queue.resume", act("retry"))];
        return [...show, ...copy, button("refresh", "queue.retry", act("retry"))];
    }

    /** Where a training stands: its step, its loss and its last validation. */
    function trainingFacts(job) {
        const progress = job.progress, step = progress?.step || job.training.step;
        const metrics = Object.entries(progress?.step ? progress.metrics : job.training.metrics);
        return [
            job.state === "running" && !step ? t("job.stage.prepare") : "",
            progress?.stage === "wait" ? t("job.stage.wait") : "",
            step ? t("job.step", {step, steps: job.training.steps}) : "",
            ...metrics.filter(([name]) => name === "loss" || name.startsWith("val/")).map(([name, value]) => `${name.replace("val/", "")} ${Number(value.toPrecision(4))}`),
        ].filter(Boolean);
    }

    function sampleOf(job) {
        const last = job.pictures.length - 1, source = pictureUrl(job, last);
        if (!job.training || last < 0) return null;
        return make("a", {href: source, target: "_blank", rel: "noopener", title: t("gallery.open")}, make("img", {class: "job-sample", src: source, alt: t("queue.sample")}));
    }

    /** Pictures that wait for a training wait long: say why, and what to do about it. */
    function explain(jobs) {
        const training = jobs.find((job) => job.training && job.state === "running"), waiting = jobs.filter((job) => job.state === "queued").length;
        const words = training && waiting ? t("queue.training_waits", {name: training.training.name, n: waiting}) : "";
        note.hidden = !words;
        if (note.textContent !== words) note.textContent = words;
    }

    function row(job) {
        const progress = job.progress, running = job.state === "running";
        const title = job.training ? t("queue.training", {name: job.training.name}) : job.extras ? t("queue.extras", {what: job.extras}) : job.merge ? t("queue.merge", {what: job.merge.what}) : job.prompt || t("queue.untitled");
        const thumbs = (job.training ? [] : job.pictures).slice(0, 4).map((one, index) => make("img", {src: pictureUrl(job, index), alt: "", loading: "lazy"}));
        const facts = [job.state === "queued" && job.place ? `${t("job.state.queued")} ${job.place}` : t(`job.state.${job.state}`)];
        if (job.training) facts.push(...trainingFacts(job));
        if (job.shape) facts.push(`${job.shape.width}\u00d7${job.shape.height}`);
        if (job.result.seconds) facts.push(formatTime(job.result.seconds));
        if (job.state === "queued" && job.starts_in_s !== null) facts.push(t("stage.starts_in", {time: formatTime(Math.round(job.starts_in_s))}));
        if (running && !job.training && progress?.steps) facts.push(t("job.step", {step: progress.step, steps: progress.steps}), `${Math.round(progress.fraction * 100)}%`);
        if (running && progress?.eta_s) facts.push(t("job.left", {time: formatTime(progress.eta_s)}));
        if (job.error) facts.push(job.error.message);
        return make("li", {class: `job ${job.state}`, id: `job_${job.id}`},
            job.training ? null : make("div", {class: "job-thumbs"}, ...thumbs),
            make("div", {class: "job-about"}, make("p", {class: "job-prompt", text: title, title}),
                make("p", {class: "quiet", text: facts.join(" \u00b7 ")}),
                running ? make("div", {class: "bar", role: "progressbar", "aria-label": t("job.progress"), "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round((progress?.fraction || 0) * 100))}, make("i", {style: `width: ${((progress?.fraction || 0) * 100).toFixed(1)}%`})) : null,
                sampleOf(job)),
            make("div", {class: "job-actions"}, ...actions(job)));
    }

    async function look() {
        clearTimeout(timer);
        try {
            const jobs = (await ask("easel/jobs")).reverse();
            explain(jobs);
            const wanted = jobs.filter((job) => filter === "all" || (groups[filter] || [filter]).includes(job.state));
            const order = wanted.map((job) => {
                const mark = JSON.stringify([job, easel.pick()]), old = rows.get(job.id);
                if (old && old.mark === mark) return old.element;
                const element = row(job);
                rows.set(job.id, {mark, element});
                return element;
            });
            const same = list.children.length === order.length && order.every((one, index) => list.children[index] === one);
            if (!order.length) list.replaceChildren(make("li", {class: "quiet none", text: t("queue.empty")}));
            else if (!same) {
                const focused = document.activeElement?.closest?.("li.job")?.id, label = document.activeElement?.getAttribute?.("aria-label");
                list.replaceChildren(...order);
                if (focused && label) document.querySelector(`#${CSS.escape(focused)} [aria-label="${CSS.escape(label)}"]`)?.focus();
            }
        } catch { /* the banner says so */ }
        if (shown) timer = setTimeout(look, 1000);
    }

    function choose(name) {
        filter = name;
        for (const one of document.querySelectorAll("[data-filter]")) one.setAttribute("aria-pressed", String(one.dataset.filter === name));
        look();
    }

    for (const one of document.querySelectorAll("[data-filter]")) one.onclick = () => choose(one.dataset.filter);
    document.getElementById("queue_clear").onclick = () => ask("easel/jobs/clear", {}).then(look).catch(tell);
    document.addEventListener("easel-tab", (event) => { shown = event.detail === "queue"; if (shown) look(); });
    choose("all");
    shown = document.getElementById("tab_queue").style.display !== "none";
});
