"""PNG Info: what a picture says about how it was made. The file is read by our own route, never re-encoded."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs

TARGETS = ("txt2img", "img2img", "inpaint", "extras")


def build(services: UiServices) -> None:
    with gr.Row(elem_classes=["work"]):
        with gr.Column(scale=5, min_width=320):
            gr.HTML(
                '<label id="pnginfo_image" class="drop" tabindex="0"><input type="file" accept="image/*" '
                'data-t-aria="pnginfo.choose"><span class="drop-text" data-t="pnginfo.drop"></span>'
                '<img alt="" hidden></label>'
            )
        with gr.Column(scale=7, min_width=320):
            buttons = "".join(
                f'<button type="button" id="{target}_tab" class="gallery-button" data-send="{target}" '
                f'data-icon="send" data-t="pnginfo.send.{target}" disabled></button>'
                for target in TARGETS
            )
            gr.HTML(
                f'<div class="gallery-buttons">{buttons}</div><div id="pnginfo_chips" class="chips"></div>'
                '<div id="pnginfo_foreign" class="foreign" role="status" hidden></div>'
                '<div id="pnginfo_generation_info" class="paper-list">'
                '<p class="quiet" data-t="pnginfo.empty"></p></div>'
            )


tabs.add("pnginfo", Tab("pnginfo", 40, build))
