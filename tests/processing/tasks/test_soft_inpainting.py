"""Soft inpainting by a tiny model: white is ordinary inpainting, black is the source, grey lies between."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.processing.requests import (
    SOFT_RANGES,
    After,
    Generate,
    InitImage,
    Mask,
    MaskedImage,
    Sampling,
    Seed,
    Shape,
    SoftInpainting,
)

SOFT = SoftInpainting()
BARE = {"overlay_inpaint": False}  # what the network painted, nothing put back


def scene(size: tuple[int, int] = (64, 64)) -> Image.Image:
    rough = np.random.default_rng(1).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)


def painted(engine, mask: Image.Image, soft: SoftInpainting | None, **fields) -> np.ndarray:
    sampler, overrides = fields.pop("sampler", "Euler"), fields.pop("overrides", {})
    init = InitImage(images=(engine.inputs.put(scene(mask.size)),), strength=0.8)
    place = Mask(image=engine.inputs.put(mask), blur_x=0.0, blur_y=0.0)
    request = Generate(
        shape=fields.pop("shape", Shape(width=mask.width, height=mask.height)),
        seed=Seed(seed=7),
        sampling=Sampling(sampler=sampler, steps=4, cfg_scale=3.0),
        source=MaskedImage(init=init, mask=place, soft=soft, **fields),
        after=After(save=False, grid=False),
        overrides=overrides,
    )
    return np.asarray(Image.open(engine.run(request).pictures[0].path).convert("RGB")).astype(int)


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "DPM adaptive"])
def test_a_white_mask_is_ordinary_inpainting(engine, sampler: str) -> None:
    white = Image.new("L", (64, 64), 255)
    found = painted(engine, white, SOFT, sampler=sampler, overrides=BARE)
    assert np.array_equal(found, painted(engine, white, None, sampler=sampler, overrides=BARE))


@pytest.mark.parametrize("size", [(64, 64), (71, 66)])
def test_a_black_mask_keeps_the_source(engine, size: tuple[int, int]) -> None:
    assert np.array_equal(painted(engine, Image.new("L", size), SOFT), np.asarray(scene(size)))


def test_the_greyer_the_mask_the_more_of_the_source_is_kept(engine) -> None:
    """Measured from the source as the tiny model's VAE shows it, which is what a black mask gives."""
    black, *others = (
        painted(engine, Image.new("L", (64, 64), grey), SOFT, overrides=BARE) for grey in (0, 100, 200, 255)
    )
    distances = [float(np.abs(one - black).mean()) for one in others]
    assert distances == sorted(distances), distances
    assert 0 < distances[0] < 0.95 * distances[2], distances


def test_more_preservation_keeps_more_of_the_source(engine) -> None:
    black = painted(engine, Image.new("L", (64, 64)), SOFT, overrides=BARE)
    grey = Image.new("L", (64, 64), 150)
    weak, strong = (
        np.abs(painted(engine, grey, SoftInpainting(preservation_strength=one), overrides=BARE) - black).mean()
        for one in (0.1, 4.0)
    )
    assert strong < weak, (strong, weak)


def test_what_is_far_from_the_mask_is_untouched(engine) -> None:
    mask = Image.new("L", (192, 128))
    mask.paste(255, (16, 16, 64, 64))
    for padding, shape in ((None, Shape(width=192, height=128)), (8, Shape(width=64, height=64))):
        found = painted(engine, mask, SoftInpainting(difference_threshold=0.05), padding=padding, shape=shape)
        before = np.asarray(scene((192, 128))).astype(int)
        assert np.array_equal(found[:, 140:], before[:, 140:])
        assert np.abs(found - before)[24:56, 24:56].mean() > 1


@pytest.mark.parametrize("name", SOFT_RANGES)
def test_a_value_out_of_range_is_told_before_it_is_queued(engine, name: str) -> None:
    soft = dataclasses.replace(SOFT, **{name: SOFT_RANGES[name][1] + 0.5})
    with pytest.raises(UserError, match=name) as told:
        painted(engine, Image.new("L", (64, 64)), soft)
    assert told.value.field == name
