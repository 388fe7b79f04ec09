from __future__ import annotations

from pathlib import Path

import torch

from modules.training.coders.kl import build
from modules.training.config import Autoencoder, Data
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import make_scenes
from modules.training.latent_cache import cached_latents, encode

SETTINGS = Autoencoder(channels=(8, 8), norm_groups=2)


def test_cached_latent_equals_a_fresh_one(tmp_path: Path, pictures: PictureSet) -> None:
    torch.manual_seed(0)
    vae = build(SETTINGS, 32)
    scenes = make_scenes(pictures, Data(folder="", size=32, colours=1), seed=1)
    made = cached_latents(tmp_path, vae, scenes, pictures)
    read = cached_latents(tmp_path, vae, scenes, pictures)
    assert torch.equal(made, read)
    torch.testing.assert_close(read[3:4], encode(vae, scenes[3:4], pictures), rtol=0, atol=1e-5)


def test_damaged_file_is_made_anew_and_another_autoencoder_gets_another_file(
    tmp_path: Path, pictures: PictureSet
) -> None:
    torch.manual_seed(0)
    vae, scenes = build(SETTINGS, 32), make_scenes(pictures, Data(folder="", size=32, colours=0), seed=1)
    made = cached_latents(tmp_path, vae, scenes, pictures)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(cached_latents(tmp_path, vae, scenes, pictures), made)
    other = build(SETTINGS, 32)
    assert not torch.equal(cached_latents(tmp_path, other, scenes, pictures), made)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
