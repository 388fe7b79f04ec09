"""The settings of the prompt language."""

from __future__ import annotations

from modules.core.settings import Setting, define

SECTION = "Prompt"

EMPHASIS = define(
    Setting(
        "emphasis",
        "Original",
        "How (weights) act",
        section=SECTION,
        choices=("Original", "No norm", "Ignore", "None"),
        hint="Original keeps the mean of the encoded text; No norm does not, which suits SDXL; "
        "Ignore drops the weights; None takes brackets as text.",
        infotext="Emphasis",
    )
)
COMMA_BACKTRACK = define(
    Setting(
        "comma_padding_backtrack",
        20,
        "Comma search at chunk ends",
        section=SECTION,
        minimum=0,
        maximum=74,
        hint="When 75 tokens are full and a comma is at most this many tokens back, what follows it moves on. 0: off.",
    )
)
OLD_SCHEDULING = define(
    Setting(
        "use_old_scheduling",
        False,
        "Old prompt editing timelines",
        section=SECTION,
        hint="Numbers below 1 in [from:to:when] are fractions, others are steps, and hires starts again at 0.",
        infotext="Old prompt editing timelines",
    )
)
ENABLE_COMMENTS = define(
    Setting(
        "enable_prompt_comments",
        True,
        "Comments in prompts",
        section=SECTION,
        hint="What follows a # in a line is left out.",
    )
)
