from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import VQModel

from modules.training.coders.vq import VqCoder
from modules.training.config import Autoencoder as Settings
from modules.training.config import Codebook

SETTINGS = Settings(kind="vq", channels=(8, 16, 16), norm_groups=2, latent_channels=3, codebook=Codebook(size=32))


def trained() -> tuple[VqCoder, torch.Tensor]:
    torch.manual_seed(0)
    coder, pictures = VqCoder(SETTINGS, 32), torch.rand(4, 3, 32, 32) * 2 - 1
    coder.reconstruct(pictures, torch.Generator().manual_seed(1))
    return coder, pictures


@torch.no_grad()
def test_the_result_is_a_plain_vq_model_that_gives_the_same_picture(tmp_path: Path) -> None:
    coder, pictures = trained()
    latents = coder.encode(pictures)
    coder.save(tmp_path, latents)
    plain = VQModel.from_pretrained(tmp_path)
    theirs = plain.encode(pictures).latents
    torch.testing.assert_close(theirs, latents)
    torch.testing.assert_close(plain.decode(theirs).sample, coder.decode(latents))
    assert float((theirs * plain.config["scaling_factor"]).std()) == pytest.approx(1, abs=1e-4)


def test_gradients_pass_straight_through_the_codes() -> None:
    coder, pictures = trained()
    output, loss, parts = coder.reconstruct(pictures, torch.Generator().manual_seed(2))
    first = coder.vae.get_parameter("encoder.conv_in.weight")
    (slope,) = torch.autograd.grad(output.square().mean(), first, retain_graph=True)
    assert float(slope.abs().max()) > 0, "the encoder must hear of the picture"
    (slope,) = torch.autograd.grad(loss, first)
    assert float(slope.abs().max()) > 0, "and of the distance to the codes"
    torch.testing.assert_close(loss.detach(), 0.25 * parts["commitment"])
    assert "quantize" not in " ".join(name for name, _ in coder.vae.named_parameters())
    assert {"quantize.codes", "quantize.counts", "quantize.sums"} <= coder.vae.state_dict().keys()


def test_computing_activations_twice_changes_no_gradient() -> None:
    slopes = []
    for twice in (False, True):
        coder, pictures = trained()
        if twice:
            coder.vae.enable_gradient_checkpointing()
        output, _, _ = coder.reconstruct(pictures, torch.Generator().manual_seed(2))
        output.square().mean().backward()
        slopes.append([one.grad for one in coder.vae.parameters()])
    for once, again in zip(*slopes):
        torch.testing.assert_close(once, again)
