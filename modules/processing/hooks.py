"""Named places in a run where others may look in and change what passes.

A hook gets the payload of its point and returns a replacement or None. A hook that raises is reported once per
run and skipped: an extension never costs the picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from modules.core.registry import Registry

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from modules.processing.plan import Plan
    from modules.processing.stages.conditioning import Conditioning

P = TypeVar("P")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HookPoint(Generic[P]):
    """A place in the run, by name; `P` is what passes there."""

    name: str


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """Before the conditioning of one text is used. cross: [1, 77k, C], pooled: [1, P] or None."""

    text: str
    negative: bool
    conditioning: Conditioning


@dataclass(frozen=True, kw_only=True)
class StartLatents:
    """Before the first step. latents: [B, C, h, w], scaled to sigmas[0]; sigmas: [steps + 1]."""

    latents: torch.Tensor
    sigmas: torch.Tensor
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class NetworkInput:
    """Before one call of the network, cond and uncond rows in one batch. x: [R, C, h, w], sigma: [R]."""

    x: torch.Tensor
    sigma: torch.Tensor
    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Guided:
    """After guidance. cond (weighted sum of the AND parts), uncond, denoised: [B, C, h, w] x0 predictions."""

    x: torch.Tensor
    sigma: torch.Tensor
    cond: torch.Tensor
    uncond: torch.Tensor | None
    denoised: torch.Tensor
    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class FinalLatents:
    """After the last step. latents: [B, C, h, w], about [-3, 3]."""

    latents: torch.Tensor
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class FinishedImage:
    """Before saving: the RGB picture and its infotext fields, in order."""

    image: Image.Image
    fields: dict[str, object]
    index: int
    plan: Plan


RESOLVED: HookPoint[Plan] = HookPoint("resolved")
ENCODED: HookPoint[EncodedText] = HookPoint("encoded")
START: HookPoint[StartLatents] = HookPoint("start")
NETWORK_INPUT: HookPoint[NetworkInput] = HookPoint("network_input")
GUIDED: HookPoint[Guided] = HookPoint("guided")
LATENTS: HookPoint[FinalLatents] = HookPoint("latents")
FINISHED: HookPoint[FinishedImage] = HookPoint("finished")

hook_points: Registry[HookPoint[Any]] = Registry("hook point")
for _point in (RESOLVED, ENCODED, START, NETWORK_INPUT, GUIDED, LATENTS, FINISHED):
    hook_points.add(_point.name, _point)


class Hooks:
    """Who listens where. `owner` names the extension in the log."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[tuple[str, Callable[[Any], Any]]]] = {}

    def on(self, point: HookPoint[P], function: Callable[[P], P | None], *, owner: str) -> Callable[[], None]:
        """Listen at a point; the returned function takes the listener away again."""
        entry = (owner, function)
        self._listeners.setdefault(hook_points.get(point.name).name, []).append(entry)
        return lambda: self._listeners[point.name].remove(entry)

    def listens(self, point: HookPoint[Any]) -> bool:
        return bool(self._listeners.get(point.name))

    def run(self, point: HookPoint[P], payload: P) -> P:
        """Pass the payload through all listeners of the point, in order of registration."""
        for owner, function in list(self._listeners.get(point.name, ())):
            try:
                changed = function(payload)
            except Exception:  # an extension's fault is its own
                log.exception("The hook of %s at %s failed and was skipped.", owner, point.name)
                continue
            if changed is not None:
                payload = changed
        return payload
