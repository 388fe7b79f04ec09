"""Where a tab without pictures shows its last job: how far it is, a button to stop it, what came of it.

assets/job_panel.js fills it; `startJobPanel` there says what a finished job is.
"""

from __future__ import annotations

import gradio as gr


def build_job_panel(tab: str) -> None:
    gr.HTML(
        f'<div id="{tab}_job" class="job-panel" data-empty="{tab}.empty">'
        f'<p class="job-panel-state" role="status"></p>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" data-t-aria="job.progress" hidden>'
        f'<i></i></div><div class="job-panel-more"></div>'
        f'<button type="button" id="{tab}_stop" class="gallery-button" data-icon="stop" data-t="queue.stop" hidden>'
        f'</button><p id="html_log_{tab}" class="log bad" role="alert"></p></div>'
    )
