"""The errors that a person may cause, told in one sentence: what came, what was expected, what to do."""

from __future__ import annotations


class EaselError(Exception):
    """Anything Easel raises on purpose. `hint` says what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UserError(EaselError):
    """A wish that cannot be granted as it came: HTTP 422, a toast in the page. `field` names the part."""

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class NotFoundError(UserError):
    """A name, id or file that does not exist: HTTP 404."""


class ModelError(EaselError):
    """A model file that cannot be used; the message names the file and the cause."""


class StageError(EaselError):
    """A stage of a running picture failed; `stage` is its name (encode, denoise, decode, ...)."""

    def __init__(self, message: str, *, stage: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
