"""Settings of the page itself."""

from __future__ import annotations

from modules.core.settings import Setting, define

SECTION = "User interface"
LANGUAGE = define(
    Setting(
        "localization",
        "browser",
        "Language",
        section=SECTION,
        choices=("browser", "en", "zh"),
        hint="browser follows the language that the browser asks for.",
    )
)
THEME = define(
    Setting(
        "gradio_theme_mode",
        "system",
        "Light or dark",
        section=SECTION,
        choices=("system", "light", "dark"),
        hint="system follows the computer.",
    )
)
PROGRESS_IN_TITLE = define(
    Setting("show_progress_in_title", True, "Show progress in the browser tab's title", section=SECTION)
)
ATTENTION_STEP = define(
    Setting(
        "keyedit_precision_attention",
        0.1,
        "Weight step of Ctrl+Up and Ctrl+Down",
        section=SECTION,
        minimum=0.01,
        maximum=0.2,
        step=0.01,
    )
)
NETWORK_STEP = define(
    Setting(
        "keyedit_precision_extra",
        0.05,
        "Weight step of Ctrl+Up and Ctrl+Down inside <...>",
        section=SECTION,
        minimum=0.01,
        maximum=0.2,
        step=0.01,
    )
)
REFRESH_MS = define(
    Setting(
        "live_preview_refresh_period",
        400,
        "Refresh progress and preview every (ms)",
        section="Live previews",
        minimum=100,
        maximum=10000,
        step=50,
    )
)
CHECKPOINT_KEY = "sd_model_checkpoint"
