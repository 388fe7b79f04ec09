"""A PatchGAN against a decoder: hinge losses, a late start and the adaptive weight of arXiv:2012.09841."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from modules.training.config import Adversarial


class PatchGan(nn.Module):
    """One logit per patch of a picture (arXiv:1611.07004, appendix): `layers` of 3 see 70x70 pixels each.

    Spectral norm (arXiv:1802.05957) on every convolution takes the place of batch normalisation, so that a picture's
    logits do not depend on the others of its batch. Pictures of at least 32x32 for 3 layers.
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        widths = [3, *(channels * min(2**level, 8) for level in range(layers + 1)), 1]
        strides = [2] * layers + [1, 1]
        parts: list[nn.Module] = []
        for width, wider, stride in zip(widths, widths[1:], strides):
            conv = nn.Conv2d(width, wider, 4, stride, padding=1)
            nn.init.normal_(conv.weight, 0.0, 0.02)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
            parts += [spectral_norm(conv), nn.LeakyReLU(0.2)]
        self.stack = nn.Sequential(*parts[:-1])

    def forward(self, pictures: Tensor) -> Tensor:
        return self.stack(pictures)


class Adversary:
    """The discriminator of a run, and when and how strongly the decoder hears of it."""

    def __init__(self, settings: Adversarial) -> None:
        self.settings = settings
        self.discriminator = PatchGan(settings.channels, settings.layers)

    def strength(self, step: int) -> float:
        """0 before `start`, then up in a line to `weight` over `ramp` steps."""
        since = step - self.settings.start
        if since < 0:
            return 0.0
        return self.settings.weight * min(1.0, (since + 1) / max(1, self.settings.ramp))

    def decoder_loss(
        self, step: int, output: Tensor, reconstruction: Tensor, last: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the discriminator adds to the loss of the decoder whose last weights are `last`, and its parts."""
        strength = self.strength(step)
        if strength == 0:
            return reconstruction.new_zeros(()), {}
        with _frozen(self.discriminator):
            loss = -self.discriminator(output).float().mean()
        weight = adaptive_weight(reconstruction, loss, last, self.settings.most)
        return strength * weight * loss, {"adversarial": loss, "adversarial_weight": weight}

    def loss(self, step: int, target: Tensor, output: Tensor) -> tuple[Tensor, dict[str, Tensor]] | None:
        """The discriminator's own loss and its parts; None until `alone` steps before `start`."""
        settings = self.settings
        if step < settings.start - settings.alone:
            return None
        real, fake = self.discriminator(torch.cat([target, output.detach()])).float().chunk(2)
        loss = hinge(real, fake)
        parts = {"real": real.mean(), "fake": fake.mean()}
        if settings.penalty and step % settings.penalty_every == 0:
            parts["penalty"] = gradient_penalty(self.discriminator, target)
            loss = loss + settings.penalty * settings.penalty_every * parts["penalty"]
        return loss, parts


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss on logits of real and of made pictures: 0 once they are beyond 1 and -1."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last: Tensor, most: float) -> Tensor:
    """Makes both losses pull equally hard at the decoder's last weights (arXiv:2012.09841, eq. 7); at most `most`."""
    (wanted,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (pull,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    return (wanted.norm() / (pull.norm() + 1e-4)).clamp(0, most).detach()


def gradient_penalty(discriminator: nn.Module, target: Tensor) -> Tensor:
    """R1 (arXiv:1801.04406): half the squared gradient of a real picture's logits, summed, at its pixels."""
    target = target.detach().requires_grad_()
    with torch.autocast(target.device.type, enabled=False):  # the second derivative loses too much in bf16
        (slope,) = torch.autograd.grad(discriminator(target).sum(), target, create_graph=True)
    return 0.5 * slope.square().sum((1, 2, 3)).mean()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Gradients pass through but leave nothing in it, and its power iterations rest."""
    parameters = list(module.parameters())
    before = [one.requires_grad for one in parameters], module.training
    module.requires_grad_(False).eval()
    try:
        yield
    finally:
        for one, needed in zip(parameters, before[0]):
            one.requires_grad = needed
        module.train(before[1])
