"""The noise that a picture would come from: Euler's method walked backwards, from the picture up to pure noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from modules.processing import options
from modules.processing.requests import InitImage
from modules.processing.runner import load_model
from modules.processing.samplers import samplers
from modules.processing.schedules import build_sigmas
from modules.processing.schedules.table import SigmaTable
from modules.processing.stages.guidance import GuidedDenoiser
from modules.processing.stages.tell import tell
from modules.processing.tasks import img2img

if TYPE_CHECKING:
    from modules.processing.plan import Plan
    from modules.processing.runner import RunContext


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """noise: of deviation 1, and the picture's latents, both [B, C, h, w]; `top`: the largest sigma of the way."""

    noise: torch.Tensor
    latents: torch.Tensor
    top: float


def invert(plan: Plan, context: RunContext, *, adjust: bool) -> Inversion:
    """Of the first batch of a plan that starts from pictures, by its prompts, CFG scale and steps.

    A step is taken with the slope at its upper end; `adjust`: at its lower end, but for the first one, which A1111
    calls "Sigma adjustment". The noise is brought to deviation 1 by its own deviation, or by the last sigma.
    """
    assert isinstance(plan.request.source, InitImage)
    model = load_model(plan, context)
    batch, steps = plan.batches[0], plan.sampling.steps
    start = img2img.begin(plan, plan.request.source, len(batch), model, context)
    assert start.latents is not None
    table = SigmaTable(model.alphas_cumprod)
    sampler = samplers.get(plan.sampling.sampler)
    sigmas = build_sigmas(sampler, plan.sampling.schedule, steps, table, plan.sampling.sigmas).flip(0)
    sigmas = sigmas.to(model.device)
    denoiser = GuidedDenoiser(
        tell(plan, batch, model, table, steps, context, start.seen),
        plan.guidance,
        steps=steps,
        hooks=context.hooks,
        check=context.settings[options.NAN_CHECK],
    )
    x = start.latents
    with torch.no_grad():
        for step in range(1, len(sigmas)):
            context.control.check()
            sigma = sigmas[step - 1] if adjust and step > 1 else sigmas[step]
            slope = (x - denoiser(x, sigma)) / (2 * sigma if adjust and step == 1 else sigma)
            x = x + slope * (sigmas[step] - sigmas[step - 1])
    return Inversion(noise=x / sigmas[-1] if adjust else x / x.std(), latents=start.latents, top=float(sigmas[-1]))
