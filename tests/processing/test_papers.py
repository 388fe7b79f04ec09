"""What an infotext says of pictures made from pictures, and that such pictures can be made again from their files."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.infotext import parse_infotext
from modules.processing.papers import FILLS, RESIZES
from modules.processing.pasted import request_from_infotext
from modules.processing.reproduce import reproduce
from modules.processing.requests import (
    After,
    Generate,
    Hires,
    HiresPass,
    InitImage,
    Mask,
    MaskedImage,
    ModelChoice,
    Prompt,
    Sampling,
    Seed,
    Shape,
)

BASE = Generate(
    prompt=Prompt(positive="an apple"),
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler a", steps=3, cfg_scale=5.0),
    after=After(save=False, grid=False),
)


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (64, 64, len(mode)), np.uint8)
    return Image.fromarray(values if len(mode) > 1 else values[..., 0])


def masked(engine, **how) -> MaskedImage:
    mask = engine.inputs.put(Image.fromarray(np.triu(np.full((64, 64), 255, np.uint8))))
    init = InitImage(images=(engine.inputs.put(picture(1)),), strength=0.6)
    return MaskedImage(init=init, mask=Mask(image=mask, blur_x=2, blur_y=2), **how)


def test_the_words_stand_in_the_order_of_their_numbers():
    assert list(RESIZES) == ["just", "crop", "fill", "latent"]
    assert list(FILLS.values()) == ["fill", "original", "latent noise", "latent nothing"]


@pytest.mark.parametrize(
    "kind", ["two pictures", "masked", "hires by latents", "hires by pixels", "from a picture", "windows"]
)
def test_it_is_made_again_from_its_own_file(engine, kind):
    init = InitImage(images=(engine.inputs.put(picture(1)), engine.inputs.put(picture(2))), strength=0.6)
    second = HiresPass(positive="a pear", sampler="Heun")
    changes = {
        "two pictures": {"source": init, "shape": dataclasses.replace(BASE.shape, batch_size=2)},
        "masked": {"source": masked(engine, fill="latent noise", padding=8)},
        "hires by latents": {"after": dataclasses.replace(BASE.after, hires=Hires(scale=1.5, second=second))},
        "hires by pixels": {"after": dataclasses.replace(BASE.after, hires=Hires(upscaler="Lanczos", width=96))},
        "from a picture": {"after": dataclasses.replace(BASE.after, hires=Hires(first=init.images[0]))},
        "windows": {"shape": dataclasses.replace(BASE.shape, width=128, method="windows")},
    }
    for made in engine.run(dataclasses.replace(BASE, **changes[kind])).pictures:
        answer = reproduce(engine, Path(made.path))
        assert answer.identical, answer


def test_a_source_that_is_gone_is_named(engine):
    source = masked(engine)
    made = engine.run(dataclasses.replace(BASE, source=source)).pictures[0]
    engine.inputs.path(source.init.images[0]).unlink()
    with pytest.raises(UserError, match="of the 2 pictures that it was made from 1 are gone") as refused:
        reproduce(engine, Path(made.path))
    assert source.init.images[0][:19] in refused.value.message


def test_an_infotext_alone_tells_no_source(engine, tmp_path):
    made = engine.run(dataclasses.replace(BASE, source=masked(engine))).pictures[0]
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", made.infotext)
    Image.open(made.path).save(tmp_path / "bare.png", pnginfo=texts)
    with pytest.raises(UserError, match="tells nothing of the picture"):
        reproduce(engine, tmp_path / "bare.png")


def test_hires_fields_stand_in_the_infotext_when_they_differ(engine):
    def fields(**hires) -> dict[str, str]:
        request = dataclasses.replace(BASE, after=dataclasses.replace(BASE.after, hires=Hires(**hires)))
        told = parse_infotext(engine.run(request).pictures[0].infotext)
        return {
            name: value for name, value in told.items() if name.startswith("Hires") and name[-2:] not in ("-1", "-2")
        }

    assert fields(scale=1.5) == {"Hires upscale": "1.5", "Hires upscaler": "Latent"}
    second = HiresPass(negative="fog", sampler="DPM++ 2M", schedule="Exponential", checkpoint="tiny-v", cfg_scale=2)
    assert fields(width=96, height=64, steps=2, second=second) == {
        "Hires checkpoint": "tiny-v",
        "Hires sampler": "DPM++ 2M",
        "Hires schedule type": "Exponential",
        "Hires negative prompt": "fog",
        "Hires CFG Scale": "2",
        "Hires resize": "96x64",
        "Hires steps": "2",
        "Hires upscaler": "Latent",
    }


def test_settings_that_this_picture_does_not_feel_are_not_told(engine):
    overrides = {"initial_noise_multiplier": 0.9, "img2img_extra_noise": 0.1, "hires_fix_refiner_pass": "both passes"}
    plain = parse_infotext(engine.run(dataclasses.replace(BASE, overrides=overrides)).pictures[0].infotext)
    assert {"Noise multiplier", "Extra noise", "Hires refiner", "Denoising strength"}.isdisjoint(plain)
    request = dataclasses.replace(BASE, overrides=overrides, source=masked(engine))
    told = parse_infotext(engine.run(request).pictures[0].infotext)
    assert (told["Noise multiplier"], told["Extra noise"], told["Denoising strength"]) == ("0.9", "0.1", "0.6")
    assert "Hires refiner" not in told
    order = list(told)
    assert order.index("Seed") < order.index("Size") < order.index("Denoising strength") < order.index("Mask blur")


def test_sources_are_saved_under_their_md5_where_that_is_asked(engine):
    sources = [picture(1), picture(2)]
    init = InitImage(images=tuple(engine.inputs.put(one) for one in sources), strength=0.5)
    request = dataclasses.replace(
        BASE,
        source=init,
        shape=dataclasses.replace(BASE.shape, batch_size=2),
        after=After(save=True, grid=False),
        overrides={"save_init_img": True},
    )
    made = engine.run(request).pictures
    for source, one in zip(sources, made, strict=True):
        digest = hashlib.md5(source.tobytes(), usedforsecurity=False).hexdigest()
        assert parse_infotext(one.infotext)["Init image hash"] == digest
        kept = Image.open(engine.paths.data / "outputs" / "init-images" / f"{digest}.png")
        assert kept.tobytes() == source.tobytes()
        assert digest in request_from_infotext(one.infotext).notes[0]


def test_windows_and_regions_come_back_from_the_infotext(engine):
    from modules.processing.requests import Region, Windows

    region = Region(left=0, top=0, right=0.5, bottom=1, prompt="the sea, blue", weight=2)
    windows = Windows(size=64, overlap=16, weights="multi", regions=(region,))
    shape = dataclasses.replace(BASE.shape, width=128, method="windows", windows=windows)
    told = engine.run(dataclasses.replace(BASE, shape=shape)).pictures[0].infotext
    pasted = request_from_infotext(told)
    assert pasted.request.shape == dataclasses.replace(shape, windows=dataclasses.replace(windows, batch=4))
    assert pasted.unknown == {}


def test_a_model_that_sees_its_source_tells_so(engine, tiny_models_dir):
    """Weight and scale of the source are told for inpainting and edit models alone."""
    plain = parse_infotext(engine.run(dataclasses.replace(BASE, source=masked(engine))).pictures[0].infotext)
    assert {"Conditional mask weight", "Image CFG scale"}.isdisjoint(plain)
    plan = engine.resolve(dataclasses.replace(BASE, source=masked(engine), model=ModelChoice(checkpoint="tiny")))
    from modules.processing.papers import infotext_fields

    for variant, name in (("inpaint", "Conditional mask weight"), ("pix2pix", "Image CFG scale")):
        file = dataclasses.replace(plan.model.checkpoint, variant=variant)
        seen = dataclasses.replace(plan, model=dataclasses.replace(plan.model, checkpoint=file))
        told = {key for key, one in infotext_fields(seen, plan.pictures[0], engine.settings).items() if one is not None}
        assert {"Conditional mask weight", "Image CFG scale"} & told == {name}
