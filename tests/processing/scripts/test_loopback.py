"""Loopback: a chain of pictures, each as img2img of the last one makes it."""

import dataclasses
import math

import numpy as np
import pytest
from PIL import Image

from modules.imaging.infotext import parse_infotext
from modules.processing.requests import After, Generate, InitImage, Sampling, ScriptCall, Seed, Shape
from modules.processing.scripts.fields import change, change_init
from modules.processing.scripts.loopback import strength_at


@pytest.fixture
def base(engine):
    gradient = np.linspace(0, 255, 64).astype(np.uint8)
    picture = Image.fromarray(np.stack([np.tile(gradient, (64, 1))] * 3, axis=-1))
    return Generate(
        shape=Shape(width=64, height=64),
        seed=Seed(seed=7),
        sampling=Sampling(sampler="Euler", steps=2),
        source=InitImage(images=(engine.inputs.put(picture),), strength=0.9),
        after=After(save=False, grid=False),
    )


def run(engine, request, **arguments):
    return engine.run(change(request, "after.script", ScriptCall(name="Loopback", arguments=arguments)))


@pytest.mark.parametrize(
    ("curve", "middle"),
    [
        ("Linear", 0.5),
        ("Aggressive", 1 + (0 - 1) * math.sin(math.pi / 4)),
        ("Lazy", 1 - (1 - math.cos(math.pi / 4))),
    ],
)
def test_strengths_go_from_the_first_to_the_final_one(curve, middle):
    assert [strength_at(one, 3, 1.0, 0.0, curve) for one in range(3)] == pytest.approx([1, middle, 0], abs=1e-9)
    assert strength_at(0, 1, 0.7, 0.1, curve) == 0.7


def test_each_picture_is_img2img_of_the_last_one(engine, base):
    made = run(engine, base, loops=3, final_strength=0.5).pictures
    assert [one.kind for one in made] == ["grid", "sample", "sample", "sample"]
    assert (made[0].width, made[0].height) == (3 * 64, 64)
    assert [one.seed for one in made[1:]] == [7, 8, 9]
    request = base
    for at, strength in enumerate([0.9, 0.7, 0.5]):
        request = change(change_init(request, strength=strength), "seed.seed", 7 + at)
        alone = engine.run(request).pictures[0].open()
        assert np.array_equal(np.asarray(made[1 + at].open()), np.asarray(alone)), at
        request = change_init(request, images=(engine.inputs.put(alone),))


def test_infotexts_tell_the_curve(engine, base):
    fields = parse_infotext(run(engine, base, loops=2, curve="Lazy").pictures[1].infotext)
    assert (fields["Final denoising strength"], fields["Denoising curve"]) == ("0.5", "Lazy")
    assert list(fields)[-1] == "Version"
    assert "Denoising curve" not in engine.run(base).pictures[0].infotext


def test_of_several_chains_the_ends_are_on_the_grid(engine, base):
    shaped = dataclasses.replace(base, shape=dataclasses.replace(base.shape, batch_count=2))
    made = run(engine, shaped, loops=2).pictures
    assert [one.seed for one in made[1:]] == [7, 8, 9, 10]
    grid = np.asarray(made[0].open())
    assert np.array_equal(grid[:, :64], np.asarray(made[2].open()))
    assert np.array_equal(grid[:, 64:], np.asarray(made[4].open()))
