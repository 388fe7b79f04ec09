from __future__ import annotations

import dataclasses

import numpy as np
import torch

from modules.training.config import Autoencoder as Settings
from modules.training.config import Config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.loop import train
from modules.training.methods.autoencoder import Autoencoder, build, edges, fold_statistics, to_pictures, to_tensor


def test_training_lowers_the_validation_error(autoencoder_config: Config, pictures: PictureSet) -> None:
    run = dataclasses.replace(autoencoder_config.run, steps=120, batch_size=8, save_every=1000)
    config = dataclasses.replace(autoencoder_config, run=run)
    method = Autoencoder(config, pictures)
    with torch.no_grad():
        before = method.validate()["psnr"]
    train(config, method)
    with torch.no_grad():
        after = method.validate()["psnr"]
    assert after > before + 3, f"{before:.2f} dB before, {after:.2f} dB after"


def test_folding_statistics_keeps_the_reconstruction() -> None:
    torch.manual_seed(0)
    settings = Settings(channels=(8, 16), norm_groups=2)
    plain, folded = build(settings, 16), build(settings, 16)
    folded.load_state_dict(plain.state_dict())
    picture = torch.rand(16, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        latents = plain.encode(picture).latent_dist
        mean, std = latents.mean.mean((0, 2, 3)), latents.mean.std((0, 2, 3))
        fold_statistics(folded, mean, std)
        now = folded.encode(picture).latent_dist
        np.testing.assert_allclose(now.mean.mean((0, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(now.mean.std((0, 2, 3)), 1, atol=1e-4)
        torch.testing.assert_close(now.std * std[None, :, None, None], latents.std, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(folded.decode(now.mean).sample, plain.decode(latents.mean).sample, rtol=0, atol=1e-3)


def test_edge_loss_ignores_a_constant_and_sees_a_blur() -> None:
    picture = torch.zeros(1, 3, 16, 16)
    picture[..., 8:] = 1
    assert float(edges(picture + 0.3, picture)) < 1e-6
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    assert float(edges(blurred, picture)) > 0.01


def test_pixels_survive_the_way_through_floats() -> None:
    pixels = np.arange(256 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 16, 16, 3)
    np.testing.assert_array_equal(to_pictures(to_tensor(pixels)), pixels)


def test_held_out_pictures_are_never_trained_on(autoencoder_config: Config, pictures: PictureSet) -> None:
    method = Autoencoder(autoencoder_config, pictures)
    assert not any(pictures.subjects[index].held_out for index in method.train_indices)
