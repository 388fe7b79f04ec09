"""What each operation makes of a picture."""

import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from modules.core.errors import UserError
from modules.processing.extras import Extras, ExtrasRequest
from modules.processing.extras.operation import ORDER, Piece, operations, wanted_operations
from modules.processing.extras.operations.auto_sized_crop import best_size
from modules.processing.extras.operations.split_oversized import starts
from modules.processing.extras.request import (
    AutoCrop,
    Captions,
    Dataset,
    Faces,
    FocalCrop,
    Size,
    Split,
    Target,
    Upscale,
)
from modules.processing.faces import Faces as Restorers

LANCZOS = Upscale(first="Lanczos")


def opened(result) -> list[Image.Image]:
    return [Image.open(one.path) for one in result.pictures]


def test_the_order_is_that_of_the_facts() -> None:
    order = {name: one.order for name, one in operations.items()}
    assert order == {
        "Upscale": 1000,
        "GFPGAN": 2000,
        "CodeFormer": 3000,
        "Split oversized images": 4000,
        "Auto focal point crop": 4010,
        "Auto-sized crop": 4020,
        "Create flipped copies": 4030,
        "Caption": 4040,
    }


def test_setting_and_request_change_the_order(studio: SimpleNamespace) -> None:
    wish = ExtrasRequest(upscale=LANCZOS, faces=Faces(gfpgan=1, codeformer=1))
    names = [name for name, _ in wanted_operations(wish, studio.settings)]
    assert names == ["Upscale", "GFPGAN", "CodeFormer"]
    studio.settings.update({ORDER.key: ["CodeFormer", "nobody knows this", "Upscale"]})
    assert [name for name, _ in wanted_operations(wish, studio.settings)] == ["CodeFormer", "Upscale", "GFPGAN"]
    first = ExtrasRequest(upscale=LANCZOS, faces=wish.faces, order=("Upscale",))
    assert [name for name, _ in wanted_operations(first, studio.settings)] == ["Upscale", "CodeFormer", "GFPGAN"]


def test_upscale_equals_pillow(studio: SimpleNamespace, asked, noise) -> None:
    image = noise(40, 24)
    made = Extras(studio).run(asked(image, upscale=LANCZOS, size=Size(by=2)))
    assert opened(made)[0].tobytes() == image.resize((80, 48), Image.Resampling.LANCZOS).tobytes()
    assert made.done == ({"Postprocess upscale by": "2", "Postprocess upscaler": "Lanczos"},)


def test_two_upscalers_are_blended_by_visibility(studio: SimpleNamespace, asked, noise) -> None:
    image = noise(16, 16)
    both = Upscale(first="Lanczos", second="Nearest", second_visibility=0.25)
    made = Extras(studio).run(asked(image, upscale=both, size=Size(by=4)))
    first, second = (np.asarray(image.resize((64, 64), one), float) for one in (Image.LANCZOS, Image.NEAREST))
    assert np.abs(np.asarray(opened(made)[0], float) - (0.75 * first + 0.25 * second)).max() <= 1
    assert made.done[0]["Postprocess upscaler 2"] == "Nearest"


@pytest.mark.parametrize("size", [(512, 256), (100, 77)])
def test_scale_to_crops_to_the_exact_size(studio: SimpleNamespace, asked, noise, size: tuple[int, int]) -> None:
    wish = Size(to=Target(width=size[0], height=size[1]))
    made = Extras(studio).run(asked(noise(64, 64), upscale=LANCZOS, size=wish))
    assert opened(made)[0].size == size
    text = f"{size[0]}x{size[1]}"
    assert made.done[0]["Postprocess upscale to"] == made.done[0]["Postprocess crop to"] == text


def test_results_of_upscalers_are_remembered(studio: SimpleNamespace, asked, noise, counting) -> None:
    extras, wish = Extras(studio), asked(noise(16, 16), upscale=LANCZOS, size=Size(by=2))
    first, again = extras.run(wish), extras.run(wish)
    assert counting == [(32, 32)]
    assert opened(first)[0].tobytes() == opened(again)[0].tobytes()
    studio.settings.update({"upscaling_max_images_in_cache": 0})
    other = asked(noise(16, 16, seed=1), upscale=LANCZOS, size=Size(by=2))
    extras.run(other)
    extras.run(other)
    assert len(counting) == 3


def test_faces_are_blended_in_and_told(studio: SimpleNamespace, asked) -> None:
    wish = asked(Image.new("RGB", (8, 8)), faces=Faces(codeformer=0.5, codeformer_weight=0.25))
    made = Extras(studio).run(wish)
    assert opened(made)[0].getpixel((0, 0)) == (127, 0, 0)
    assert made.done == ({"CodeFormer visibility": "0.5", "CodeFormer weight": "0.25"},)


@pytest.mark.parametrize(("name", "field"), [("GFPGAN", "gfpgan"), ("CodeFormer", "codeformer")])
def test_faces_without_their_weights_are_refused_before_queueing(studio, asked, name: str, field: str) -> None:
    studio.faces = Restorers(studio.paths)
    with pytest.raises(UserError, match=name) as told:
        Extras(studio).check(asked(Image.new("RGB", (8, 8)), faces=Faces(**{field: 0.1})))
    assert told.value.field == f"faces.{field}"


@pytest.mark.parametrize(("length", "part", "overlap"), [(2048, 512, 0.2), (1500, 512, 0.5), (513, 512, 0.0)])
def test_parts_cover_the_whole_and_overlap_enough(length: int, part: int, overlap: float) -> None:
    begins = starts(length, part, overlap)
    assert (begins[0], begins[-1]) == (0, length - part)
    assert max(b - a for a, b in itertools.pairwise(begins)) <= part * (1 - overlap) + 1
    assert len(begins) == math.ceil((length - part * overlap) / (part * (1 - overlap)))


@pytest.mark.parametrize("tall", [True, False])
def test_a_long_picture_is_split_and_a_likely_one_is_not(studio: SimpleNamespace, asked, noise, tall: bool) -> None:
    wish = {"size": Size(to=Target(width=64, height=64)), "dataset": Dataset(split=Split(threshold=0.5))}
    long = noise(64, 256) if tall else noise(256, 64)
    made = opened(Extras(studio).run(asked(long, **wish)))
    assert [one.size for one in made] == [(64, 64)] * 5
    edge = (0, 0, 64, 64), (0, 192, 64, 256) if tall else (192, 0, 256, 64)
    assert made[0].tobytes() == long.crop(edge[0]).tobytes()
    assert made[-1].tobytes() == long.crop(edge[1]).tobytes()
    assert [one.size for one in opened(Extras(studio).run(asked(noise(64, 100), **wish)))] == [(64, 100)]


@pytest.mark.parametrize("upscale", [Upscale(), LANCZOS])
@pytest.mark.parametrize("at", [20, 128, 230])
def test_focal_crop_finds_what_there_is_to_see(studio: SimpleNamespace, asked, at: int, upscale: Upscale) -> None:
    image = Image.new("RGB", (256, 64), "gray")
    ImageDraw.Draw(image).regular_polygon((at, 32, 14), 5, fill="white", outline="black")
    wish = asked(image, size=Size(to=Target(width=64, height=64)), upscale=upscale, dataset=Dataset(focal=FocalCrop()))
    made = opened(Extras(studio).run(wish))[0]
    assert made.size == (64, 64)
    seen = ImageChops.difference(made, Image.new("RGB", made.size, "gray")).getbbox()
    assert seen is not None
    assert seen[2] - seen[0] >= 24, f"of a shape 28 pixels wide, {seen[2] - seen[0]} are left"


def test_focal_crop_takes_the_middle_of_an_even_picture(studio: SimpleNamespace, asked) -> None:
    image = Image.linear_gradient("L").rotate(90).resize((256, 64)).convert("RGB")
    image.paste((9, 9, 9), (0, 0, 256, 64))
    image.putpixel((128, 0), (10, 10, 10))
    wish = asked(image, size=Size(to=Target(width=64, height=64)), dataset=Dataset(focal=FocalCrop(entropy=0, edges=0)))
    assert opened(Extras(studio).run(wish))[0].getpixel((32, 0)) == (10, 10, 10)


def test_auto_crop_sizes_equal_a_search_by_hand() -> None:
    wish = AutoCrop()
    sizes = [(w, h) for w in range(384, 769, 64) for h in range(384, 769, 64) if w * h <= 640 * 640]
    for width, height in ((1000, 1000), (1200, 800), (700, 1400)):
        errors = {(w, h): 1 - min(width / height / (w / h), (w / h) / (width / height)) for w, h in sizes}
        near = [one for one in sizes if errors[one] <= 0.1]
        largest = max((w * h for w, h in near), default=0)
        found = best_size(width, height, wish)
        assert found is None if not near else found is not None and found[0] * found[1] == largest
        least = best_size(width, height, AutoCrop(objective="Minimize error"))
        assert not near or (least is not None and errors[least] == min(errors.values()))


def test_auto_crop_tells_when_no_size_fits(studio: SimpleNamespace, asked, noise) -> None:
    made = Extras(studio).run(asked(noise(500, 40), names=("wide.png",), dataset=Dataset(auto=AutoCrop())))
    assert opened(made)[0].size == (500, 40)
    assert "wide.png" in made.warnings[0]


def test_flips_come_beside_the_picture(studio: SimpleNamespace, asked, noise) -> None:
    image = noise(16, 8)
    made = opened(Extras(studio).run(asked(image, dataset=Dataset(flips=("Horizontal", "Vertical", "Both")))))
    pixels = np.asarray(image)
    expected = [pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1]]
    assert all(np.array_equal(np.asarray(one), other) for one, other in zip(made, expected, strict=True))


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (Captions(by="prompt"), "a red apple, sharp"),
        (Captions(by="text", text="photo of {name}: {prompt} not {negative} {other}"), None),
    ],
)
def test_captions_stand_beside_the_picture(
    studio: SimpleNamespace, asked, noise, captions: Captions, expected: str | None
) -> None:
    paper = "a red apple, sharp<lora:x:1>\nNegative prompt: blurry\nSteps: 2, Sampler: Euler, Seed: 7, Size: 8x8"
    wish = asked(noise(8, 8), names=("p.q.png",), texts={"parameters": paper}, dataset=Dataset(captions=captions))
    made = Extras(studio).run(wish)
    text = Path(made.pictures[0].path).with_suffix(".txt").read_text("utf-8")
    assert text == f"{expected or 'photo of p.q: a red apple, sharp not blurry {other}'}\n"


@pytest.mark.parametrize("by", ["BLIP", "Deepbooru"])
def test_captioning_models_that_are_not_here_are_named(studio: SimpleNamespace, asked, noise, by) -> None:
    with pytest.raises(UserError, match=by):
        Extras(studio).check(asked(noise(8, 8), dataset=Dataset(captions=Captions(by=by))))


@pytest.mark.parametrize(
    ("picture", "target", "dataset", "words"),
    [
        ((10, 5000), 16384, Dataset(split=Split()), "pictures of 16384x16384"),
        ((5000, 10), 1, Dataset(split=Split(overlap=0.9)), "but at most 1,000"),
        ((10, 5000), 16384, Dataset(focal=FocalCrop()), "16384x8192000 is more than"),
    ],
)
def test_what_would_be_too_many_pixels_or_files_is_refused(studio, picture, target, dataset, words) -> None:
    piece = Piece(image=Image.new("RGB", picture), name="long.png")
    wish = ExtrasRequest(size=Size(to=Target(width=target, height=target)), dataset=dataset)
    operation = operations.get("Split oversized images" if dataset.split else "Auto focal point crop")
    with pytest.raises(UserError, match=words):
        operation.apply(piece, wish, SimpleNamespace())
