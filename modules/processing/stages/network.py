"""The network as an x0-denoiser over sigma: one place knows eps, v, flow, time steps and extra conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from modules.processing.models.loader import LoadedModel
    from modules.processing.schedules.table import SigmaTable

    from .conditioning import Conditioning


class Network:
    """Wraps a U-Net's prediction: x = x0 + sigma n (variance exploding) in, x0 out.

    Karras et al. 2022 (arXiv:2206.00364), table 1: c_in = 1 / sqrt(sigma^2 + 1), and for v-prediction
    c_skip = 1 / (sigma^2 + 1), c_out = -sigma / sqrt(sigma^2 + 1). Rectified flow (arXiv:2209.03003) sees
    x / (1 + sigma) = (1 - t) x0 + t n with t = sigma / (1 + sigma) and answers n - x0.
    """

    def __init__(self, model: LoadedModel, table: SigmaTable) -> None:
        self.model = model
        self.table = table

    @torch.no_grad()
    def __call__(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        cross: torch.Tensor,
        added: dict[str, torch.Tensor] | None,
        extra: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x: [R, C, h, w]; sigma: [R]; cross: [R, 77k, C]; extra: [R, c, h, w]; returns x0, shape of x, float32."""
        dtype = next(self.model.unet.parameters()).dtype
        column = sigma.view(-1, 1, 1, 1)
        flow = self.model.prediction == "flow_prediction"
        seen = scaled = x / (1 + column) if flow else x / (column**2 + 1).sqrt()
        if extra is not None:
            scaled = torch.cat([scaled, extra.to(scaled)], dim=1)
        out = self.model.unet(
            scaled.to(dtype),
            self.table.sigma_to_t(sigma).to(x.device, torch.float32),
            encoder_hidden_states=cross.to(dtype),
            added_cond_kwargs=None if added is None else {name: one.to(dtype) for name, one in added.items()},
            return_dict=False,
        )[0].to(x.dtype)
        if flow:
            return seen - out * column / (1 + column)
        if self.model.prediction == "v_prediction":
            return x / (column**2 + 1) - out * column / (column**2 + 1).sqrt()
        return x - out * column


def added_conditions(
    model: LoadedModel, parts: list[Conditioning], size: tuple[int, int], crop: tuple[int, int], scores: list[float]
) -> dict[str, torch.Tensor] | None:
    """SDXL's pooled text and size conditions for rows `parts`. size: (height, width), crop: (top, left), pixels."""
    kind = model.family.size_conditions
    if kind == "none":
        return None
    pooled = torch.cat([part.pooled for part in parts if part.pooled is not None])
    if kind == "refiner":
        ids = [[*size, *crop, score] for score in scores]
    else:
        ids = [[*size, *crop, *size] for _ in parts]
    return {"text_embeds": pooled, "time_ids": torch.tensor(ids, dtype=torch.float32, device=pooled.device)}
