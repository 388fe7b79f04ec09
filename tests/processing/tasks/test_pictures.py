"""Pictures from pictures by a tiny model: img2img, inpainting and the second pass, against what they must equal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import AutoencoderKL
from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.masks import blur_mask, grow_box, mask_box
from modules.imaging.resize import resize_picture
from modules.processing.engine import Engine
from modules.processing.progress import Control, Picture, Progress
from modules.processing.requests import (
    After,
    Generate,
    Hires,
    HiresPass,
    InitImage,
    Mask,
    MaskedImage,
    Prompt,
    Sampling,
    Seed,
    Shape,
)
from modules.processing.samplers import samplers
from modules.processing.stages.decode import decode_latents, encode_pixels, to_images, to_pixels

BASE = Generate(
    prompt=Prompt(positive="a red apple"),
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler", steps=4, cfg_scale=3.0),
    after=After(save=False, grid=False),
)


@pytest.fixture(scope="module")
def engine(tiny_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for all of the file: nothing here changes its settings."""
    settings = Settings(values={"sd_model_checkpoint": "tiny", "memory_mode": "fp32"})
    made = Engine(Paths(data=tmp_path_factory.mktemp("data"), models=tiny_models_dir), settings, hashing=False)
    made.catalog.refresh()
    yield made
    made.unload()


def source(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)


def square(size: tuple[int, int] = (64, 64), box: tuple[int, int, int, int] = (16, 16, 40, 48)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def array(picture: Picture | Image.Image) -> np.ndarray:
    image = Image.open(picture.path) if isinstance(picture, Picture) else picture
    return np.asarray(image.convert("RGB")).astype(int)


def start_from(engine: Engine, image: Image.Image, **fields: Any) -> Generate:
    return dataclasses.replace(BASE, source=InitImage(images=(engine.inputs.put(image),), **fields))


def masked(engine: Engine, image: Image.Image, mask: Image.Image, **fields: Any) -> Generate:
    """`strength` goes to the init image, mask_... to the mask, the rest to the source."""
    own = {name.removeprefix("mask_"): fields.pop(name) for name in list(fields) if name.startswith("mask_")}
    init = InitImage(images=(engine.inputs.put(image),), strength=fields.pop("strength", 0.75))
    of_mask = Mask(**{"image": engine.inputs.put(mask), "blur_x": 0.0, "blur_y": 0.0, **own})
    return dataclasses.replace(BASE, source=MaskedImage(init=init, mask=of_mask, **fields))


def made(engine: Engine, request: Generate, **groups: Mapping[str, Any]) -> np.ndarray:
    request = dataclasses.replace(
        request, **{name: dataclasses.replace(getattr(request, name), **one) for name, one in groups.items()}
    )
    return array(engine.run(request).pictures[0])


def round_trip(engine: Engine, image: Image.Image) -> np.ndarray:
    """The picture through the VAE and back."""
    plan = engine.resolve(BASE)
    model = engine._load(plan.model.checkpoint, None, plan.model.mode)
    return array(to_images(decode_latents(model, encode_pixels(model, to_pixels(image))))[0])


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "DDIM"])
def test_no_strength_gives_the_source_back(engine: Engine, sampler: str) -> None:
    found = made(engine, start_from(engine, source(), strength=0.0), sampling={"sampler": sampler})
    assert np.array_equal(found, round_trip(engine, source()))


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "DDIM", "UniPC"])
def test_full_strength_is_text_to_image_from_the_same_noise(engine: Engine, sampler: str) -> None:
    wish = {"sampler": sampler}
    found = made(engine, start_from(engine, source(), strength=1.0), sampling=wish)
    assert np.array_equal(found, made(engine, BASE, sampling=wish))


@pytest.mark.parametrize("name", samplers.names())
def test_every_sampler_goes_further_from_the_source_with_more_strength(engine: Engine, name: str) -> None:
    base = round_trip(engine, source())
    distances = [
        np.abs(made(engine, start_from(engine, source(), strength=one), sampling={"sampler": name}) - base).mean()
        for one in (0.0, 0.3, 0.9)
    ]
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2], f"{name}: {distances}"


@pytest.mark.parametrize("mode", ["just", "crop", "fill"])
def test_a_source_of_another_size_is_resized_first(engine: Engine, mode: str) -> None:
    wide = source(1, (100, 48))
    found = made(engine, start_from(engine, wide, resize=mode))
    assert np.array_equal(found, made(engine, start_from(engine, resize_picture(wide, 64, 64, mode))))


def test_latents_are_resized_where_asked(engine: Engine) -> None:
    half = source(1, (32, 32))
    found = made(engine, start_from(engine, half, resize="latent"))
    assert found.shape == (64, 64, 3)
    assert not np.array_equal(found, made(engine, start_from(engine, half)))


@pytest.mark.parametrize("size", [(65, 64), (71, 77)])
def test_any_size_is_given_exactly(engine: Engine, size: tuple[int, int]) -> None:
    wish = {"width": size[0], "height": size[1]}
    for request in (BASE, start_from(engine, source()), masked(engine, source(0, size), square(size))):
        assert made(engine, request, shape=wish).shape == (size[1], size[0], 3)


def test_each_picture_of_a_batch_has_its_own_source(engine: Engine) -> None:
    sources = [source(1), source(2)]
    both = dataclasses.replace(
        BASE,
        shape=dataclasses.replace(BASE.shape, batch_size=2),
        source=InitImage(images=tuple(engine.inputs.put(one) for one in sources), strength=0.5),
    )
    first, second = (array(one) for one in engine.run(both).pictures)
    alone = made(engine, start_from(engine, sources[1], strength=0.5), seed={"seed": 8})
    assert np.abs(second - alone).max() <= 1
    assert np.abs(first - second).mean() > 1


def test_transparent_places_show_the_background_colour(engine: Engine) -> None:
    clear = source().convert("RGBA")
    clear.putalpha(0)
    request = dataclasses.replace(
        start_from(engine, clear, strength=0.0), overrides={"img2img_background_color": "#0000ff"}
    )
    assert np.array_equal(made(engine, request), round_trip(engine, Image.new("RGB", (64, 64), "#0000ff")))


@pytest.mark.parametrize("fill", ["fill", "original", "latent noise", "latent nothing"])
@pytest.mark.parametrize("padding", [None, 8])
@pytest.mark.parametrize("blur", [0.0, 4.0])
def test_unmasked_pixels_are_untouched(engine: Engine, fill: str, padding: int | None, blur: float) -> None:
    picture, mask = source(3, (80, 72)), square((80, 72))
    request = masked(engine, picture, mask, fill=fill, padding=padding, mask_blur_x=blur, mask_blur_y=blur)
    found = made(engine, request, shape={"width": 80, "height": 72})
    outside = np.asarray(blur_mask(mask, blur, blur)) == 0
    assert np.array_equal(found[outside], array(picture)[outside])
    assert np.abs(found - array(picture))[~outside].mean() > 1


def test_what_lies_outside_can_be_painted_instead(engine: Engine) -> None:
    found = made(engine, masked(engine, source(), square(), mask_invert=True))
    inside = np.asarray(square()) == 255
    assert np.array_equal(found[inside], array(source())[inside])
    assert np.abs(found - array(source()))[~inside].mean() > 1


def test_only_masked_is_crop_generate_and_paste_by_hand(engine: Engine) -> None:
    picture, mask = source(4, (160, 120)), square((160, 120), (60, 40, 90, 80))
    found = made(engine, masked(engine, picture, mask, padding=10))
    box = grow_box(mask_box(mask, 10), 64, 64, 160, 120)
    part = resize_picture(picture.crop(box), 64, 64, "fill")
    small = resize_picture(mask.crop(box), 64, 64, "fill")
    request = dataclasses.replace(masked(engine, part, small), overrides={"overlay_inpaint": False})
    painted = Image.fromarray(made(engine, request).astype(np.uint8))
    expected = picture.copy()
    expected.paste(resize_picture(painted, box[2] - box[0], box[3] - box[1], "crop"), box[:2])
    expected = Image.composite(expected, picture, mask)
    assert np.array_equal(found, array(expected))


def test_a_blank_mask_is_told_when_only_it_is_worked_on(engine: Engine) -> None:
    request = masked(engine, source(), Image.new("L", (64, 64)), padding=8)
    with pytest.raises(UserError, match="mask is blank"):
        engine.run(request)


def test_a_blank_mask_over_the_whole_picture_is_told_and_changes_nothing(engine: Engine) -> None:
    white = Image.new("L", (64, 64), 255)
    request = masked(engine, source(), white, mask_invert=True)
    assert "mask is blank" in " ".join(engine.resolve(request).notes)
    made = engine.run(request)
    assert (array(made.pictures[0]) == array(source())).all()
    assert "mask is blank" in " ".join(made.info["warnings"])


def test_batches_share_the_latents_of_their_source(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = AutoencoderKL.encode

    def counted(self: AutoencoderKL, x: Any, **more: Any) -> Any:
        encoded.append(len(x))
        return encode(self, x, **more)

    monkeypatch.setattr(AutoencoderKL, "encode", counted)
    request = start_from(engine, source(seed=99))
    several = engine.run(dataclasses.replace(request, shape=Shape(width=64, height=64, batch_size=2, batch_count=3)))
    assert encoded == [1], "the source was encoded again"
    again = engine.run(dataclasses.replace(request, seed=Seed(seed=BASE.seed.seed + 4)))
    assert (array(again.pictures[0]) == array(several.pictures[4])).all()
    engine.run(start_from(engine, source(seed=98)))
    assert encoded == [1, 1], "another picture has latents of its own"


def test_a_white_mask_at_full_strength_still_sees_the_source(engine: Engine) -> None:
    """With a mask the source's latents stay below the noise, as in A1111."""
    everything = Image.new("L", (64, 64), 255)
    found = made(engine, masked(engine, source(), everything, strength=1.0))
    assert not np.array_equal(found, made(engine, BASE))


@pytest.mark.parametrize("upscaler", ["Latent", "Latent (nearest-exact)", "Lanczos", "None"])
@pytest.mark.parametrize(
    ("hires", "size"),
    [
        ({"scale": 1.5}, (96, 96)),
        ({"scale": 1.3}, (83, 83)),
        ({"width": 100}, (100, 100)),
        ({"width": 128, "height": 96}, (128, 96)),
    ],
)
def test_the_second_pass_gives_the_asked_size(
    engine: Engine, upscaler: str, hires: dict[str, Any], size: tuple[int, int]
) -> None:
    found = made(engine, BASE, after={"hires": Hires(upscaler=upscaler, **hires)})
    assert found.shape == (size[1], size[0], 3)


def test_a_second_pass_over_pixels_is_img2img_of_the_enlarged_picture(engine: Engine) -> None:
    found = made(engine, BASE, after={"hires": Hires(upscaler="Lanczos", scale=2.0, strength=0.5, steps=6)})
    first = Image.fromarray(made(engine, BASE).astype(np.uint8))
    big = first.resize((128, 128), Image.Resampling.LANCZOS)
    by_hand = dataclasses.replace(start_from(engine, big, strength=0.5), overrides={"img2img_fix_steps": True})
    expected = made(engine, by_hand, shape={"width": 128, "height": 128}, sampling={"steps": 6})
    assert np.array_equal(found, expected)


def test_a_given_picture_takes_the_place_of_the_first_pass(engine: Engine) -> None:
    hires = Hires(upscaler="Lanczos", scale=2.0, strength=0.5)
    first = Image.fromarray(made(engine, BASE).astype(np.uint8))
    given = dataclasses.replace(hires, first=engine.inputs.put(first))
    assert np.array_equal(made(engine, BASE, after={"hires": given}), made(engine, BASE, after={"hires": hires}))


def test_no_strength_only_enlarges(engine: Engine) -> None:
    found = made(engine, BASE, after={"hires": Hires(upscaler="Nearest", scale=2.0, strength=0.0)})
    first = Image.fromarray(made(engine, BASE).astype(np.uint8))
    assert np.array_equal(found, round_trip(engine, first.resize((128, 128), Image.Resampling.NEAREST)))


def test_the_second_pass_may_have_its_own_words_sampler_and_guidance(engine: Engine) -> None:
    plain = made(engine, BASE, after={"hires": Hires(scale=1.5)})
    for own in (
        HiresPass(positive="a blue cat"),
        HiresPass(negative="ugly"),
        HiresPass(sampler="Heun"),
        HiresPass(schedule="Karras"),
        HiresPass(cfg_scale=9.0),
        HiresPass(checkpoint="tiny-v"),
    ):
        assert not np.array_equal(made(engine, BASE, after={"hires": Hires(scale=1.5, second=own)}), plain), own


def test_both_passes_count_as_jobs_and_an_interrupt_between_them_gives_the_first(engine: Engine) -> None:
    request = dataclasses.replace(BASE, after=dataclasses.replace(BASE.after, hires=Hires(scale=2.0)))
    seen: list[Progress] = []
    control = Control()

    def watch(event: object) -> None:
        if isinstance(event, Progress):
            seen.append(event)
            if event.stage == "denoise" and event.batch == 0 and event.step == event.steps:
                control.interrupt()

    result = engine.run(request, control=control, report=watch)
    assert {one.batches for one in seen} == {2}
    assert result.interrupted
    assert array(result.pictures[0]).shape == (64, 64, 3)


def test_a_source_that_is_gone_or_missing_is_told_before_it_queues(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        engine.resolve(dataclasses.replace(BASE, source=InitImage(images=("sha256:" + "0" * 64,))))
    with pytest.raises(UserError, match="no picture to start from"):
        engine.resolve(dataclasses.replace(BASE, source=InitImage()))
    for strength in (-0.1, 1.5):
        with pytest.raises(UserError, match="denoising_strength"):
            engine.resolve(start_from(engine, source(), strength=strength))


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_an_interrupt_before_the_second_pass_shows_anything_keeps_the_first(engine: Engine, upscaler: str) -> None:
    request = dataclasses.replace(BASE, after=dataclasses.replace(BASE.after, hires=Hires(upscaler=upscaler)))
    control = Control()

    def watch(event: object) -> None:
        if isinstance(event, Progress) and event.batch == 1:
            control.interrupt()

    result = engine.run(request, control=control, report=watch)
    assert result.interrupted
    assert result.pictures


def test_a_second_pass_that_would_enlarge_without_end_is_refused(engine: Engine) -> None:
    thin = dataclasses.replace(
        BASE, shape=Shape(width=64, height=16384), after=After(hires=Hires(width=16384, height=64))
    )
    with pytest.raises(UserError, match="before the cut"):
        engine.resolve(thin)


def test_a_named_picture_is_never_written_over_another(engine: Engine) -> None:
    folder = engine.paths.data / "own"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"own")
    request = dataclasses.replace(BASE, after=After(folder="own", name="a", grid=False))
    assert [Path(engine.run(request).pictures[0].path).name for _ in "ab"] == ["a-1.png", "a-2.png"]
    assert (folder / "a.png").read_bytes() == b"own"
