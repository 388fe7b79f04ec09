"""The difference of a normalisation's weight and bias."""

from __future__ import annotations

from modules.processing.networks.kinds import Kind, kinds

kinds.add(
    "norm",
    Kind(
        name="norm",
        has=lambda names: "w_norm" in names,
        rank=lambda sizes: 0,
        fits=lambda sizes, weight: sizes["w_norm"] == weight,
        change=lambda weight, tensors: tensors["w_norm"].float(),
    ),
)
