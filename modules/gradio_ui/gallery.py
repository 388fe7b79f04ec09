"""Where pictures appear. assets/gallery.js fills it from the job; pictures are the saved files themselves."""

from __future__ import annotations

import gradio as gr

BUTTONS = (  # id, what it does, icon
    ("save_{tab}", "save", "save"),
    ("save_zip_{tab}", "zip", "zip"),
    ("{tab}_open_folder", "open", "open"),
    ("{tab}_send_to_img2img", "img2img", "send"),
    ("{tab}_send_to_inpaint", "inpaint", "mask"),
    ("{tab}_send_to_extras", "extras", "extras"),
    ("{tab}_reuse_all", "reuse", "paste"),
)


def build_results(tab: str) -> None:
    """The stage (picture, preview, or what is going on), thumbnails, buttons, and the picture's paper as chips."""
    more = (("{tab}_upscale", "upscale", "upscale"),) if tab == "txt2img" else ()
    buttons = "".join(
        f'<button type="button" id="{one.format(tab=tab)}" class="gallery-button" data-gallery="{name}"'
        f' data-icon="{icon}" data-t="gallery.{name}" disabled></button>'
        for one, name, icon in (*BUTTONS, *more)
    )
    with gr.Column(elem_id=f"{tab}_results", elem_classes=["results"], scale=7, min_width=320):
        gr.HTML(
            f'<div id="{tab}_results_panel" class="results-panel" data-tab="{tab}">'
            f'<div id="{tab}_gallery_container" class="stage" tabindex="0" data-t-aria="gallery.stage">'
            f'<div class="stage-body"></div></div>'
            f'<div class="progress-row" hidden><div class="bar" role="progressbar" aria-valuemin="0"'
            f' aria-valuemax="100" aria-valuenow="0" data-t-aria="job.progress"><i></i></div>'
            f'<div class="progress-text" aria-live="polite"></div></div>'
            f'<div id="{tab}_gallery" class="thumbs" role="listbox" data-t-aria="gallery.thumbs" hidden></div>'
            f'<div id="image_buttons_{tab}" class="gallery-buttons">{buttons}</div>'
            f'<div id="html_log_{tab}" class="log" role="status"></div>'
            f'<div id="html_info_{tab}" class="chips" data-t-aria="gallery.info"></div>'
            f'<details class="raw" hidden><summary data-t="gallery.raw"></summary>'
            f'<pre id="generation_info_{tab}" tabindex="0"></pre></details></div>'
        )
