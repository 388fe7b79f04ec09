"""The whole difference of a weight, and of its bias."""

from __future__ import annotations

import math

from modules.processing.networks.kinds import Kind, kinds

kinds.add(
    "full",
    Kind(
        name="full",
        has=lambda names: "diff" in names,
        rank=lambda sizes: 0,
        fits=lambda sizes, weight: math.prod(sizes["diff"]) == math.prod(weight),
        change=lambda weight, tensors: tensors["diff"].float().reshape(weight.shape),
    ),
)
