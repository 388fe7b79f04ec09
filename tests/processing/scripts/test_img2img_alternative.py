"""The noise found by walking back gives the picture again by walking forth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.infotext import parse_infotext
from modules.processing.engine import Engine
from modules.processing.progress import Control
from modules.processing.requests import (
    After,
    Generate,
    InitImage,
    Mask,
    MaskedImage,
    Noise,
    Prompt,
    Sampling,
    ScriptCall,
    Seed,
    Shape,
)
from modules.processing.scripts.fields import change

STEPS = 4
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def base(engine):
    rows, columns = np.mgrid[0:64, 0:64]
    picture = Image.fromarray(np.stack([rows * 4, columns * 4, rows + columns], axis=-1).astype(np.uint8))
    return Generate(
        prompt=Prompt(positive="a dog"),
        shape=Shape(width=64, height=64),
        seed=Seed(seed=7),
        sampling=Sampling(sampler="Heun", steps=3, cfg_scale=1.0),
        source=InitImage(images=(engine.inputs.put(picture),), strength=0.5),
        after=After(save=False, grid=False),
    )


def run(engine, request, **arguments):
    asked = {"original_prompt": "a cat", "decode_steps": STEPS, **arguments}
    call = ScriptCall(name="img2img alternative test", arguments=asked)
    return engine.run(change(request, "after.script", call)).pictures[0]


def pixels(picture) -> np.ndarray:
    return np.asarray(picture.open()).astype(int)


@pytest.fixture
def mini(tmp_path):
    settings = Settings(values={"sd_model_checkpoint": "easel-mini", "memory_mode": "fp32"})
    made = Engine(Paths(data=tmp_path, models=ROOT / "models"), settings, hashing=False)
    made.catalog.refresh()
    yield made
    made.unload()


@pytest.mark.parametrize("adjust", [False, True])
def test_a_picture_comes_back_from_the_noise_found(mini, base, adjust):
    words = change(change(base, "prompt.positive", "red apple"), "sampling.steps", 12)
    words = change(change(words, "shape.width", 128), "shape.height", 128)
    apple = ImageOps.mirror(mini.run(change(words, "source", Noise())).pictures[0].open())
    request = change(words, "source", InitImage(images=(mini.inputs.put(apple),)))
    asked = {"original_prompt": "red apple", "decode_steps": 25, "sigma_adjustment": adjust}
    back, drawn = pixels(run(mini, request, **asked)), pixels(run(mini, request, **asked, randomness=1.0))
    near, far = (np.abs(one - np.asarray(apple)).mean() for one in (back, drawn))
    assert near < 0.6 * far, (near, far)


@pytest.mark.parametrize("adjust", [False, True])
def test_the_same_noise_is_found_each_time(engine, base, adjust):
    request = change(change(base, "sampling.sampler", "Euler"), "sampling.steps", 8)
    one = engine.invert(request, adjust=adjust, control=Control())
    two = engine.invert(request, adjust=adjust, control=Control())
    assert torch.equal(one.noise, two.noise)
    assert one.noise.shape == one.latents.shape
    if not adjust:
        assert float(one.noise.std()) == pytest.approx(1.0, abs=1e-4)
    assert one.top > 10


def test_the_overrides_take_their_values(engine, base):
    fields = parse_infotext(run(engine, base).infotext)
    assert (fields["Prompt"], fields["Sampler"], fields["Steps"]) == ("a cat", "Euler", str(STEPS))
    own = {"override_prompt": False, "override_sampler": False, "override_steps": False}
    fields = parse_infotext(run(engine, base, **own).infotext)
    assert (fields["Prompt"], fields["Sampler"], fields["Steps"]) == ("a dog", "Heun", "3")
    assert (fields["Decode prompt"], fields["Decode steps"], fields["Randomness"]) == ("a cat", str(STEPS), "0.0")
    assert fields["Sigma Adjustment"] == "False"


def test_a_mask_is_refused(engine, base):
    masked = change(base, "source", MaskedImage(init=base.source, mask=Mask(image=base.source.images[0])))
    with pytest.raises(UserError, match="whole pictures"):
        run(engine, masked)
