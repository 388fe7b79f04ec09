from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from modules.training.checkpoints import load_latest
from modules.training.config import Adversarial, Codebook, Config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.loop import train
from modules.training.methods.autoencoder import Autoencoder, to_pictures, to_tensor
from modules.training.randomness import torch_generator


def changed(config: Config, **settings: object) -> Config:
    return dataclasses.replace(config, autoencoder=dataclasses.replace(config.autoencoder, **settings))


@pytest.mark.parametrize("kind", ["kl", "vq"])
def test_training_lowers_the_validation_error(
    kind: Literal["kl", "vq"], autoencoder_config: Config, pictures: PictureSet
) -> None:
    run = dataclasses.replace(autoencoder_config.run, steps=120, batch_size=8, save_every=1000)
    config = changed(dataclasses.replace(autoencoder_config, run=run), kind=kind, codebook=Codebook(size=32))
    method = Autoencoder(config, pictures)
    with torch.no_grad():
        before = method.validate()
    train(config, method)
    with torch.no_grad():
        after = method.validate()
    assert after["psnr"] > before["psnr"] + 3, f"{before} before, {after} after"
    assert after["ssim"] > before["ssim"] + 0.1, f"{before} before, {after} after"
    if kind == "vq":
        assert after["perplexity"] > 4, after
        assert after["codes_used"] > 0.25, after


@pytest.mark.parametrize("kind", ["kl", "vq"])
@pytest.mark.parametrize("factor", [4, 8, 16])
def test_latents_are_smaller_by_the_number_of_levels(
    kind: Literal["kl", "vq"], factor: int, autoencoder_config: Config, pictures: PictureSet
) -> None:
    levels = {4: 3, 8: 4, 16: 5}[factor]
    method = Autoencoder(changed(autoencoder_config, kind=kind, channels=(8,) * levels), pictures)
    loss, _ = method.loss(0, torch_generator(1))
    loss.backward()
    with torch.no_grad():
        latents = method.coder.encode(to_tensor(method.held_out))
        output = method.coder.decode(latents)
    assert latents.shape == (len(method.held_out), 4, 32 // factor, 32 // factor)
    assert output.shape[2:] == (32, 32)


def test_the_loss_is_the_weighted_sum_of_its_parts(autoencoder_config: Config, pictures: PictureSet) -> None:
    weights = {"l1": 0.5, "l2": 3.0, "edge": 0.0, "colour": 2.0, "perceptual": 0.1}
    config = changed(autoencoder_config, kl_weight=0.4, **{f"{name}_weight": one for name, one in weights.items()})
    loss, parts = Autoencoder(config, pictures).loss(3, torch_generator(1))
    assert parts.keys() == {"l1", "l2", "colour", "perceptual", "kl"}
    latents, pixels = 4 * 8 * 8, 3 * 32 * 32
    wanted = sum(weights[name] * one for name, one in parts.items() if name != "kl")
    torch.testing.assert_close(loss, wanted + 0.4 * latents / pixels * parts["kl"])


def test_the_discriminator_joins_late(autoencoder_config: Config, pictures: PictureSet) -> None:
    settings = Adversarial(weight=0.5, start=4, alone=2, ramp=1, channels=4, layers=2)
    method = Autoencoder(changed(autoencoder_config, adversarial=settings), pictures)
    plain = Autoencoder(autoencoder_config, pictures)
    assert plain.opponent is None
    opponent = method.opponent
    assert opponent is not None
    assert opponent.modules.keys() == {"discriminator"}
    for step in range(6):
        loss, parts = method.loss(step, torch_generator(step))
        without, _ = plain.loss(step, torch_generator(step))
        answer = opponent.loss(step, torch_generator(step))
        assert (answer is not None) == (step >= 2), step
        assert ("adversarial" in parts) == (step >= 4), step
        more = 0.5 * parts["adversarial_weight"] * parts["adversarial"] if step >= 4 else torch.zeros(())
        torch.testing.assert_close(loss, without + more)
    assert not any(one.grad is not None for one in opponent.modules["discriminator"].parameters())


def test_a_resumed_run_of_two_players_is_bit_identical(
    autoencoder_config: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    adversarial = Adversarial(weight=0.5, start=6, alone=3, ramp=3, channels=4, layers=2, penalty=0.1, penalty_every=2)
    config = changed(autoencoder_config, kind="vq", codebook=Codebook(size=32), adversarial=adversarial)
    states = []
    for name in ("straight", "broken"):
        part = dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(tmp_path / name)))
        if name == "broken":
            asked = iter(range(1, 1000))
            train(part, Autoencoder(part, pictures), stopping=lambda: next(asked) >= 7)  # noqa: B023
        train(part, Autoencoder(part, pictures))
        states.append(load_latest(tmp_path / name))
    one, other = states
    for kind in ("parameters", "buffers", "ema", "optimizer", "opponent"):
        tensors, others = getattr(one, kind), getattr(other, kind)
        assert tensors.keys() == others.keys() != set()
        differing = [key for key in tensors if not torch.equal(tensors[key], others[key])]
        assert not differing, f"{kind} differ: {differing[:5]}"


def test_a_share_of_the_steps_shows_whole_pictures_of_as_many_pixels(
    autoencoder_config: Config, pictures: PictureSet
) -> None:
    run = dataclasses.replace(autoencoder_config.run, batch_size=8)
    config = changed(dataclasses.replace(autoencoder_config, run=run), crop=16, whole_share=0.25)
    method = Autoencoder(config, pictures)
    shapes = [method._batch(step).shape[:3] for step in range(200)]
    assert set(shapes) == {(8, 16, 16), (2, 32, 32)}
    assert 0.15 < shapes.count((2, 32, 32)) / 200 < 0.35


def test_a_step_in_bf16_is_near_that_in_fp32(autoencoder_config: Config, pictures: PictureSet) -> None:
    adversarial = Adversarial(weight=0.5, start=0, channels=4, layers=2)
    losses = []
    for bf16 in (False, True):
        method = Autoencoder(
            changed(autoencoder_config, kind="vq", perceptual_weight=0.1, adversarial=adversarial), pictures
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, parts = method.loss(0, torch_generator(1))
        loss.backward()
        losses.append(float(parts["l2"].detach()))
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_pixels_survive_the_way_through_floats() -> None:
    pixels = np.arange(256 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 16, 16, 3)
    np.testing.assert_array_equal(to_pictures(to_tensor(pixels)), pixels)


def test_held_out_pictures_are_never_trained_on(autoencoder_config: Config, pictures: PictureSet) -> None:
    method = Autoencoder(autoencoder_config, pictures)
    assert not any(pictures.subjects[index].held_out for index in method.train_indices)
