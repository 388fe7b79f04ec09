"""The settings registry as JSON for the Settings tab."""

from __future__ import annotations

from typing import Any

from modules.core.changes import refusal
from modules.core.options import Options
from modules.core.settings import Setting, Settings, setting_registry
from modules.gradio_ui.keys import KeySetting

FIRST = ("User interface", "Stable Diffusion", "Stable Diffusion XL", "Sampler parameters", "Prompt")  # sections


def settings_json(settings: Settings, options: Options, *, owner: bool) -> list[dict[str, Any]]:
    """All settings, those that people change most in front; others as their features declare them.

    `editable`: whether who asks may change it; `owner`: they sit at this machine.
    """
    place = {section: index for index, section in enumerate(FIRST)}
    ordered = sorted(setting_registry, key=lambda one: place.get(one.section, len(FIRST)))
    fixed = {one.key for one in ordered if refusal(one, settings, options, owner=owner)}
    return [{**setting_json(one, settings), "editable": one.key not in fixed} for one in ordered]


def setting_json(setting: Setting[Any], settings: Settings) -> dict[str, Any]:
    return {
        "key": setting.key,
        "kind": "key" if isinstance(setting, KeySetting) else type(setting.default).__name__,
        "value": settings[setting],
        "default": setting.default,
        "label": setting.label,
        "section": setting.section,
        "scope": setting.scope,
        "minimum": setting.minimum,
        "maximum": setting.maximum,
        "step": setting.step,
        "choices": setting.options(),
        "hint": setting.hint,
    }
