"""The untiled autoencoder is the oracle: tiles give its picture."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from modules.processing.stages import tiled_vae
from modules.processing.stages.tiled_vae import Span, tiled_decode, tiled_encode
from modules.processing.stages.tiling import circular_padding

MINI = Path(__file__).parents[3] / "models" / "Stable-diffusion" / "easel-mini"


@pytest.fixture(scope="module")
def vae():
    """The form of Stable Diffusion's, with attention, shortcuts and two layers a block, and few channels."""
    torch.manual_seed(0)
    made = AutoencoderKL(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=4,
    )
    for one in made.modules():
        if isinstance(one, torch.nn.GroupNorm):  # weights that are not all alike
            torch.nn.init.uniform_(one.weight, 0.5, 1.5)
            torch.nn.init.normal_(one.bias, std=0.3)
    return made.eval()


def picture(height, width):
    """[1, 3, H, W] in [-1, 1]: flat, smooth and noisy parts."""
    generator = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    plain = torch.stack([x * y, (9 * x).sin() * y.clamp(0), (60 * x * x).cos() * (y < 0)])[None]
    return (plain + 0.5 * torch.randn(1, 3, height, width, generator=generator) * (x > 0.2)).clamp(-1, 1)


def whole_sample(length, side, align):
    return [(Span(0, length), 1.0)]


@torch.no_grad()
@pytest.mark.parametrize("axes", [None, "x", "y", "both"])
@pytest.mark.parametrize("size", [(96, 160), (136, 72)])
def test_with_the_true_statistics_tiles_are_exact(vae, size, axes, monkeypatch):
    monkeypatch.setattr(tiled_vae, "_samples", whole_sample)
    monkeypatch.setattr(tiled_vae, "BAND", 200)  # several bands, also where the map is small
    latents = torch.randn(1, 4, size[0] // 4, size[1] // 4, generator=torch.Generator().manual_seed(2))
    with circular_padding(vae, axes=axes):
        untiled, tiled = vae.decode(latents).sample, tiled_decode(vae, latents, 32)
    difference = float((untiled - tiled).abs().max() / untiled.abs().max())
    assert tiled.shape == untiled.shape
    assert difference < 1e-4, difference


@torch.no_grad()
def test_encoding_with_the_true_statistics_is_exact(vae, monkeypatch):
    monkeypatch.setattr(tiled_vae, "_samples", whole_sample)
    monkeypatch.setattr(tiled_vae, "BAND", 200)
    for size in ((96, 160), (136, 72)):
        pixels = picture(*size)
        untiled = vae.encode(pixels).latent_dist.parameters
        tiled = tiled_encode(vae, pixels, 32)
        difference = float((untiled - tiled).abs().max() / untiled.abs().max())
        assert tiled.shape == untiled.shape
        assert difference < 1e-4, difference


@torch.no_grad()
def test_the_embedded_model_differs_by_less_than_three_of_255():
    mini = AutoencoderKL.from_pretrained(MINI, subfolder="vae").eval()
    pixels = picture(512, 384)
    latents = mini.encode(pixels).latent_dist.mode()
    encoded = tiled_encode(mini, pixels, 128).chunk(2, dim=1)[0]
    assert float((encoded - latents).abs().max() / latents.std()) < 0.1
    difference = float((mini.decode(latents).sample - tiled_decode(mini, latents, 128)).abs().max()) / 2 * 255
    assert difference < 3, difference


@torch.no_grad()
def test_no_seam_between_tiles(vae):
    """Latents that repeat every 8 give tiles of 32 pixels that repeat: they agree but for rounding."""
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2)).repeat(1, 1, 9, 9)
    pixels = tiled_decode(vae, latents, 32)
    inside = pixels[:, :, 128:160, 128:160]  # far from the picture's own edges
    difference = float((pixels[:, :, 128:160, 160:192] - inside).abs().max())
    assert difference < 1e-4 * float(inside.abs().max()), difference


def test_samples_speak_for_the_whole_length():
    for length in (8, 64, 96, 200, 1000):
        found = tiled_vae._samples(length, 4, 1)
        assert sum(weight for _, weight in found) == pytest.approx(length if len(found) > 1 else 1)
        assert found[0][0].start == 0
        assert found[-1][0].stop == length
