"""Queue: every job, what it is doing, and what can be done about it (assets/queue.js over /easel/jobs)."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs

FILTERS = ("all", "queued", "running", "done", "failed")


def build(services: UiServices) -> None:
    buttons = "".join(
        f'<button type="button" data-filter="{one}" data-t="queue.{one}" aria-pressed="false"></button>'
        for one in FILTERS
    )
    gr.HTML(
        f'<div id="queue" class="queue"><div class="queue-head"><div class="ratios" role="group" '
        f'data-t-aria="queue.filter">{buttons}</div><button type="button" id="queue_clear" '
        f'class="gallery-button" data-icon="clear" data-t="queue.clear"></button></div>'
        f'<p id="queue_note" class="queue-note" role="status" hidden></p><ol id="queue_list"></ol></div>'
    )


tabs.add("queue", Tab("queue", 80, build))
