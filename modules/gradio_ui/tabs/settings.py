"""Settings: built in the page from the registry (assets/settings.js over /easel/settings)."""

from __future__ import annotations

import gradio as gr

from modules.gradio_ui.services import UiServices
from modules.gradio_ui.tabs import Tab, tabs


def build(services: UiServices) -> None:
    gr.HTML(
        '<div id="settings" class="settings"><div class="settings-head">'
        '<input id="settings_search" type="search" autocomplete="off" data-t-placeholder="settings.search" '
        'data-t-aria="settings.search"><span id="settings_result" class="quiet" role="status"></span>'
        '<span id="settings_tabs"></span></div>'
        '<nav id="settings_sections" data-t-aria="settings.sections"></nav><div id="settings_list"></div></div>'
    )


tabs.add("settings", Tab("settings", 90, build))
