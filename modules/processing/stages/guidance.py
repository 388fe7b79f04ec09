"""Classifier-free guidance over weighted AND parts, prompts that change by step, and what hooks add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from modules.core.errors import StageError
from modules.processing.hooks import GUIDED, NETWORK_INPUT, Guided, Hooks, NetworkInput
from modules.processing.plan import GuidancePlan

from .conditioning import Conditioning
from .decode import upcast
from .network import Network

if TYPE_CHECKING:
    from modules.processing.tasks import Blend

CFGPP_SCALE = 1 / 12.5
Timeline = list[tuple[int, Conditioning]]  # (last step, counted from 0, what the network is told until then)


@dataclass(frozen=True, kw_only=True)
class PictureConditions:
    """One picture's AND parts, each with its weight and its timeline, and its negative timeline.

    regions: parts that lead in one area, with their shares there, [h, w]; the others have the rest.
    """

    parts: tuple[tuple[float, Timeline], ...]
    negative: Timeline
    regions: tuple[tuple[torch.Tensor, Timeline], ...] = ()

    def weigh(self, outputs: Sequence[torch.Tensor]) -> list[tuple[float | torch.Tensor, torch.Tensor]]:
        """The network's outputs, of the parts and then of the regions, with their weights."""
        weights: list[float | torch.Tensor] = [weight for weight, _ in self.parts]
        if self.regions:
            total, shares = sum(weights), [share.to(outputs[0]) for share, _ in self.regions]
            rest = 1 - torch.stack(shares).sum(dim=0)
            weights = [*(weight * rest for weight in weights), *(total * share for share in shares)]
        return list(zip(weights, outputs, strict=True))


@dataclass(frozen=True, kw_only=True)
class Told:
    """A network and all that it is told: exchanged as one when the refiner takes over.

    added(rows, negative flags) gives SDXL's extra conditions for rows, or None. seen: extra channels of inpainting and
    edit models, [B or 1, c, h, w]. image_cfg: how much an edit model follows its picture; None for all others.
    """

    network: Network
    pictures: tuple[PictureConditions, ...]
    added: Callable[[list[Conditioning], list[bool]], dict[str, torch.Tensor] | None]
    seen: torch.Tensor | None = None
    image_cfg: float | None = None


def at_step(timeline: Timeline, step: int) -> Conditioning:
    """The entry in force: "from" is used while step <= when, steps counted from 0."""
    for last, conditioning in timeline:
        if step <= last:
            return conditioning
    return timeline[-1][1]


class GuidedDenoiser:
    """The denoiser that samplers call: x [B, C, h, w] and sigma -> x0.

    denoised = uncond + cfg_scale * sum_k w_k (cond_k - uncond)  (Ho & Salimans 2022, Liu et al. 2022 for AND).
    Edit models get image_cfg * (uncond - blind) instead of uncond on top of blind, which sees no picture
    (Brooks et al. 2023, arXiv:2211.09800, eq. 3). `blend` then puts back what must not change.
    `uncond` holds the negative prompt's x0 of the last call; None when it was not evaluated. CFG++ samplers
    (arXiv:2406.08070) always have it evaluated, and their scale is CFGPP_SCALE of what a person sets, as in A1111.
    """

    def __init__(
        self,
        told: Told,
        plan: GuidancePlan,
        *,
        steps: int,
        hooks: Hooks,
        refine: Callable[[float, int], Told | None] | None = None,
        check: bool = True,
        cfgpp: bool = False,
        blend: Blend | None = None,
    ) -> None:
        self.told = told
        self.plan = plan
        self.scale = plan.cfg_scale * (CFGPP_SCALE if cfgpp else 1.0)
        self._cfgpp = cfgpp
        self.steps = steps  # calls expected in all, twice the steps for second-order samplers
        self.step = 0  # calls so far
        self.uncond: torch.Tensor | None = None
        self._hooks = hooks
        self._refine = refine
        self._check = check
        self._blend = blend

    @property
    def sigma_table(self) -> torch.Tensor:
        return self.told.network.table.sigmas

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        sigma = sigma.to(x).expand(x.shape[0]) if sigma.ndim == 0 else sigma.to(x)
        if self._refine is not None:
            self.told = self._refine(float(sigma[0]), self.step) or self.told
        use_negative = self._use_negative(float(sigma[0]))
        conds, uncond, blind = self._evaluate(x, sigma, use_negative)
        denoised, cond = [], []
        for index, picture in enumerate(self.told.pictures):
            parts = picture.weigh(conds[index])
            base = uncond[index] if uncond is not None else None
            cond.append(sum(weight * one for weight, one in parts))
            if base is None:
                total = sum(weight for weight, _ in picture.parts)
                denoised.append(cond[-1] / total if total else parts[0][1])
            else:
                moved = sum(weight * (one - base) for weight, one in parts)
                if blind is not None and self.told.image_cfg is not None:
                    base = torch.lerp(blind[index], base, self.told.image_cfg)
                denoised.append(base + self.scale * moved)
        result = torch.stack([torch.as_tensor(one) for one in denoised])
        if self._blend is not None:
            result = self._blend(result, sigma, self.step)
        self.uncond = uncond
        if self._hooks.listens(GUIDED):
            payload = Guided(
                x=x,
                sigma=sigma,
                cond=torch.stack([torch.as_tensor(one) for one in cond]),
                uncond=uncond,
                denoised=result,
                step=self.step,
                steps=self.steps,
            )
            result = self._hooks.run(GUIDED, payload).denoised
        self.step += 1
        return result

    @property
    def _sees_twice(self) -> bool:
        """Whether an edit model is also asked without its picture."""
        return self.told.image_cfg not in (None, 1.0)

    def _use_negative(self, sigma: float) -> bool:
        plan = self.plan
        if sigma < plan.skip_below and (plan.skip_below_always or self.step % 2):
            return False
        if plan.skip_early and self.step / max(self.steps, 1) <= plan.skip_early:
            return False
        if self._cfgpp or self._sees_twice:
            return True
        totals = [sum(weight for weight, _ in picture.parts) for picture in self.told.pictures]
        return any(abs(self.scale * total - 1) > 1e-9 for total in totals)

    def _evaluate(
        self, x: torch.Tensor, sigma: torch.Tensor, use_negative: bool
    ) -> tuple[list[list[torch.Tensor]], torch.Tensor | None, torch.Tensor | None]:
        """Per picture the x0 of each part and region; the negative's x0 [B, C, h, w] or None; the same of an edit
        model that does not see its picture, or None."""
        owners: list[int] = []
        rows: list[Conditioning] = []
        negative: list[bool] = []
        for index, picture in enumerate(self.told.pictures):
            for _, timeline in (*picture.parts, *picture.regions):
                owners.append(index)
                rows.append(at_step(timeline, self.step))
                negative.append(False)
        count = len(self.told.pictures)
        twice = use_negative and self._sees_twice
        for _ in range(use_negative + twice):
            owners += range(count)
            rows += [at_step(picture.negative, self.step) for picture in self.told.pictures]
            negative += [True] * count
        seen = None if self.told.seen is None else self.told.seen.to(x).expand(count, -1, -1, -1)[owners]
        if seen is not None and twice:
            seen = torch.cat([seen[:-count], torch.zeros_like(seen[-count:])])
        outputs = self._call_rows(x[owners], sigma[owners], rows, negative, seen)
        conds: list[list[torch.Tensor]] = [[] for _ in self.told.pictures]
        for owner, is_negative, output in zip(owners, negative, outputs):
            if not is_negative:
                conds[owner].append(output)
        blind = torch.stack(outputs[-count:]) if twice else None
        end = len(outputs) - (count if twice else 0)
        return conds, torch.stack(outputs[end - count : end]) if use_negative else None, blind

    def _call_rows(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        rows: Sequence[Conditioning],
        negative: list[bool],
        seen: torch.Tensor | None,
    ) -> list[torch.Tensor]:
        """Rows of equal length go through the network together; unequal ones in groups of their own."""
        if self._hooks.listens(NETWORK_INPUT):
            payload = NetworkInput(x=x, sigma=sigma, step=self.step, steps=self.steps)
            payload = self._hooks.run(NETWORK_INPUT, payload)
            x, sigma = payload.x, payload.sigma
        groups: dict[tuple[object, ...], list[int]] = {}
        for index, row in enumerate(rows):
            apart = () if self.plan.batched else (negative[index],)
            groups.setdefault((row.cross.shape[1], *apart), []).append(index)
        outputs: list[torch.Tensor] = [x] * len(rows)
        for members in groups.values():
            parts = [rows[index] for index in members]
            cross = torch.cat([part.cross for part in parts]).to(x.device)
            added = self.told.added(parts, [negative[index] for index in members])
            result = self._call(x[members], sigma[members], cross, added, None if seen is None else seen[members])
            for index, one in zip(members, result):
                outputs[index] = one
        return outputs

    def _call(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor,
        cross: torch.Tensor,
        added: dict[str, torch.Tensor] | None,
        extra: torch.Tensor | None,
    ) -> torch.Tensor:
        network = self.told.network
        result = network(x, sigma, cross, added, extra)
        if not self._check or bool(torch.isfinite(result).all()):
            return result
        with upcast(network.model.unet):
            result = network(x, sigma, cross, added, extra)
        if not bool(torch.isfinite(result).all()):
            raise StageError(
                f"The network gave not-a-number latents at step {self.step + 1}, in fp32 too.",
                stage="denoise",
                hint="Lower the CFG scale, choose another sampler, or check the model file.",
            )
        return result
