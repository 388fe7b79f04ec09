"""What is known of a checkpoint before it is loaded: from its family, its name and the card beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.processing.models.catalog import ModelFile, model_notes
from modules.processing.models.families import families

FEW_STEP_NAME = re.compile(r"turbo|lightning|hyper|schnell|(?<![a-z])(lcm|tcd|dmd2?|pcm)(?![a-z])", re.IGNORECASE)
MANY_STEPS, MANY_STEPS_CFG = 20, 7.0
FEW_STEPS, FEW_STEPS_CFG = 6, 1.5


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """native_size: width, height in pixels. `few_step`: distilled to paint in a few steps with little or no CFG.

    `one_size`: it fills its own size with one thing, and repeats it in anything larger.
    """

    title: str = ""
    family: str = ""
    native_size: tuple[int, int] = (512, 512)
    steps: int = MANY_STEPS
    cfg_scale: float = MANY_STEPS_CFG
    few_step: bool = False
    one_size: bool = False
    examples: tuple[str, ...] = ()
    broken: str = ""

    def defaults(self) -> dict[str, int | float]:
        """What the form's controls show for this model until a person says otherwise."""
        width, height = self.native_size
        return {"width": width, "height": height, "steps": self.steps, "cfg_scale": self.cfg_scale}


def model_facts(file: ModelFile) -> ModelFacts:
    """A card (easel.json) wins over the family; a value that the card has no sense in is left out."""
    return facts_from(file, model_notes(file))


def facts_from(file: ModelFile, card: Mapping[str, Any]) -> ModelFacts:
    few = bool(FEW_STEP_NAME.search(file.stem))
    examples = card.get("examples")
    return ModelFacts(
        title=file.title,
        family=file.family,
        native_size=_card_size(card.get("native_size")) or _family_size(file),
        steps=int(_number(card.get("steps"), 1, 150) or (FEW_STEPS if few else MANY_STEPS)),
        cfg_scale=_number(card.get("cfg_scale"), 1, 30) or (FEW_STEPS_CFG if few else MANY_STEPS_CFG),
        few_step=few,
        one_size=card.get("one_size") is True,
        examples=tuple(one for one in examples if isinstance(one, str)) if isinstance(examples, list) else (),
        broken=file.broken,
    )


def _family_size(file: ModelFile) -> tuple[int, int]:
    if file.family not in families:
        return 512, 512
    if file.family == "sd2" and file.prediction == "epsilon":  # the "base" models of SD 2 are the 512 px ones
        return 512, 512
    return families.get(file.family).native_size


def _card_size(value: object) -> tuple[int, int] | None:
    """One number for a square, or [width, height]."""
    pair = value if isinstance(value, list) and len(value) == 2 else [value, value]
    width, height = (_number(one, 64, 2048) for one in pair)
    return (int(width), int(height)) if width and height else None


def _number(value: object, low: float, high: float) -> float | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    return float(value) if known else None  # type: ignore[arg-type]
