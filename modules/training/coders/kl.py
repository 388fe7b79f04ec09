"""The autoencoder with a normal posterior that is drawn towards N(0, 1): diffusers' AutoencoderKL."""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from modules.training.coders.coder import layers_of
from modules.training.coders.identity_start import start_as_identity
from modules.training.config import Autoencoder as Settings


class KlCoder:
    """Latents are drawn with the reparametrisation trick; `save` folds their statistics in."""

    def __init__(self, settings: Settings, size: int) -> None:
        self.settings, self.size = settings, size
        self.vae = build(settings, size)

    def reconstruct(self, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        posterior = self.vae.encode(target).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(target.device)
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = kl_divergence(mean, logvar)
        # sums over a picture, as in the paper, divided by the number of its pixel values
        weight = self.settings.kl_weight * mean[0].numel() / target[0].numel()
        return self.decode(mean + torch.exp(0.5 * logvar) * noise), weight * kl, {"kl": kl}

    def encode(self, target: Tensor) -> Tensor:
        """The most likely latents, nothing drawn."""
        return self.vae.encode(target).latent_dist.mode()

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents).sample

    def validate(self, latents: Tensor) -> dict[str, float]:
        return {}

    def save(self, folder: Path, latents: Tensor) -> None:
        """A diffusers folder in which `latents` have mean 0 and deviation 1 per channel: scaling_factor is 1."""
        folded = build(self.settings, self.size)
        folded.load_state_dict({key: one.detach().cpu() for key, one in self.vae.state_dict().items()})
        fold_statistics(folded, latents.mean((0, 2, 3)).cpu(), latents.std((0, 2, 3)).cpu())
        folded.save_pretrained(folder)


def build(settings: Settings, size: int) -> AutoencoderKL:
    vae = AutoencoderKL(**layers_of(settings, size), scaling_factor=1.0)
    start_as_identity(vae)
    if vae.quant_conv is not None and vae.quant_conv.bias is not None:
        with torch.no_grad():  # little noise at first: with a deviation of 1 nothing is learned for 200 steps
            vae.quant_conv.bias[settings.latent_channels :] = -5.0
    return vae


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """From N(mean, exp(logvar)) to N(0, 1) in nats, the mean over all elements."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()


@torch.no_grad()
def fold_statistics(vae: AutoencoderKL, mean: Tensor, std: Tensor) -> None:
    """Make z' = (z - mean) / std the latents of `vae` without changing what it reconstructs. mean, std: [channels]."""
    channels = len(mean)
    quant, post = vae.quant_conv, vae.post_quant_conv
    if quant is None or post is None or quant.bias is None or post.bias is None:
        raise ValueError("the autoencoder has no quant convolutions to fold into")
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= std[None, :, None, None]
    quant.weight[:channels] /= std[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) / std
    quant.bias[channels:] -= 2 * std.log()  # the rows of the log variance
