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
NETWORKS = "Extra networks"
NETWORK_SEPARATOR = define(
    Setting("extra_networks_add_text_separator", " ", "Between a prompt and what a card puts there", section=NETWORKS)
)
CARD_WIDTH = define(
    Setting(
        "extra_networks_card_width",
        0,
        "Width of cards",
        section=NETWORKS,
        minimum=0,
        maximum=600,
        step=10,
        hint="Pixels; 0 fits them to the page.",
    )
)
CARD_DESCRIPTIONS = define(
    Setting("extra_networks_card_show_desc", True, "Show descriptions on cards", section=NETWORKS)
)
CARD_ORDER_FIELD = define(
    Setting(
        "extra_networks_card_order_field",
        "Path",
        "Cards are sorted by",
        section=NETWORKS,
        choices=("Path", "Name", "Date Created", "Date Modified"),
    )
)
CARD_ORDER = define(
    Setting(
        "extra_networks_card_order",
        "Ascending",
        "Order of cards",
        section=NETWORKS,
        choices=("Ascending", "Descending"),
    )
)
SHOW_ALL = define(
    Setting(
        "lora_show_all",
        False,
        "Show cards of other model families too",
        section=NETWORKS,
        hint="Else LoRA and embeddings of the chosen model's family, and those that do not say.",
    )
)
CHECKPOINT_KEY = "sd_model_checkpoint"
