"""GET and POST /sdapi/v1/options: the settings by their keys; and the command line without secrets and paths."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter

from modules.api.models import check_carried
from modules.api.services import Services
from modules.core.changes import check_may_change
from modules.core.errors import NotFoundError, UserError
from modules.processing.models.catalog import CHECKPOINT, check_choice


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["settings"])

    @router.get("/options")
    def get_options() -> dict[str, Any]:
        """All settings. The checkpoint is told by its title, also where none was chosen."""
        values = services.settings.all()
        with suppress(NotFoundError):  # there is none at all
            values[CHECKPOINT.key] = services.engine.catalog.default(services.settings).title
        return values

    @router.post("/options")
    def set_options(changes: dict[str, Any]) -> None:
        """Check all, then store all or none. Settings of this machine's owner are refused."""
        try:
            check_carried(changes)
        except ValueError as error:
            raise UserError(str(error)) from error
        check_may_change(services.settings, services.options, changes, owner=False)
        check_choice(services.engine.catalog, changes)
        services.settings.update(changes)

    @router.get("/cmd-flags")
    def cmd_flags() -> dict[str, Any]:
        return services.options.public_values()

    return router
