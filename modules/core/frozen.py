"""The settings that the command line froze, so that a shared server stays as its owner set it up."""

from __future__ import annotations

from modules.core.errors import UserError
from modules.core.options import Options
from modules.core.settings import setting_registry


def refuse_frozen(options: Options, key: str) -> None:
    """UserError when setting `key` is frozen by its key, its section, or all together."""
    setting = setting_registry.get(key)
    page = options.page
    if page.freeze_settings or setting.key in page.freeze_keys or setting.section in page.freeze_sections:
        raise UserError(
            f"Setting {setting.key} is frozen by the command line.",
            hint="The owner of this server chose so with --freeze-settings.",
            field=setting.key,
        )
