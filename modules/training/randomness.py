"""Random numbers by place, not by history: every draw is a function of a seed and of where in the run it happens."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from modules.core.lazy import lazy_import

if TYPE_CHECKING:
    import torch
else:
    torch = lazy_import("torch")


def place_seed(*place: object) -> int:
    """A 63-bit seed for a place such as (seed, "train", step); the same on every machine and Python."""
    digest = hashlib.sha256("/".join(map(str, place)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def torch_generator(*place: object) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(place_seed(*place))


def numpy_generator(*place: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(place_seed(*place)))
