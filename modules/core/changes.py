"""May this setting be changed by whoever asks? One answer for the page and for the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modules.core.errors import NotFoundError, UserError
from modules.core.options import Options
from modules.core.settings import Setting, Settings, setting_registry


def check_may_change(settings: Settings, options: Options, keys: Iterable[str], *, owner: bool) -> None:
    """UserError for the first of `keys` that may not be changed. `owner`: who asks sits at this machine."""
    for key in keys:
        try:
            setting = setting_registry.get(key)
        except NotFoundError as error:
            raise UserError(error.message, hint=error.hint, field=key) from error
        if reason := refusal(setting, settings, options, owner=owner):
            raise reason


def refusal(setting: Setting[Any], settings: Settings, options: Options, *, owner: bool) -> UserError | None:
    """Why `setting` may not be changed: frozen by its key, its section or all together, forced, or the owner's."""
    page, key = options.page, setting.key
    if page.freeze_settings or key in page.freeze_keys or setting.section in page.freeze_sections:
        hint = "The owner of this server chose so with --freeze-settings."
        return UserError(f"Setting {key} is frozen by the command line.", hint=hint, field=key)
    if setting.scope == "admin" and not owner:
        return UserError(f"Setting {key} can only be changed on the machine that Easel runs on.", field=key)
    return settings.forced(setting)
