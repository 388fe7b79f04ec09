"""Upscalers without a model: exact sizes, transparency, names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.upscalers import PLAIN, Upscaler, Upscalers
from modules.processing.upscalers.upscaler import RUNS, Check


@pytest.fixture
def upscalers(tmp_path):
    return Upscalers(Paths(data=tmp_path, models=tmp_path / "models"), Settings())


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(3).integers(0, 256, (height, width, 4), dtype=np.uint8)
    whole = Image.fromarray(values, "RGBA")
    return whole if mode == "RGBA" else (whole if mode == "LA" else whole.convert("RGB")).convert(mode)


def doubling(image: Image.Image, check: Check) -> Image.Image:
    return image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST)


@pytest.mark.parametrize("name", [one.name for one in PLAIN])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48), (200, 3)])
@pytest.mark.parametrize("wanted", [(1, 1), (64, 48), (129, 257), (3, 200)])
def test_the_size_is_exact(upscalers: Upscalers, name: str, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    grown = upscalers.find(name).upscale(picture(*size), *wanted)
    assert (grown.size, grown.mode) == (wanted, "RGB")


@pytest.mark.parametrize("name", [one.name for one in PLAIN])
def test_the_same_size_is_the_same_picture(upscalers: Upscalers, name: str) -> None:
    image = picture(31, 17)
    assert upscalers.find(name).upscale(image, 31, 17).tobytes() == image.tobytes()


def test_nearest_repeats_pixels(upscalers: Upscalers) -> None:
    image = picture(6, 4)
    grown = upscalers.find("nearest").upscale(image, 18, 12)
    assert np.array_equal(np.asarray(grown), np.asarray(image).repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_of_picture_is_taken(upscalers: Upscalers, mode: str) -> None:
    grown = upscalers.find("Lanczos").upscale(picture(8, 8, mode), 16, 16)
    assert grown.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")


def test_colours_of_invisible_pixels_do_not_bleed(upscalers: Upscalers) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (4, 0, 8, 8))
    grown = np.asarray(upscalers.find("Lanczos").upscale(image, 32, 32))
    seen = grown[..., 3] > 0
    assert grown[seen][:, 0].max() <= 4, grown[seen][:, 0].max()


@pytest.mark.parametrize(("wanted", "runs"), [(16, 0), (17, 1), (32, 1), (33, 2), (128, 3), (1000, 3)])
def test_a_model_runs_until_the_picture_is_large_enough(wanted: int, runs: int) -> None:
    seen: list[tuple[int, int]] = []

    def enlarge(image: Image.Image, check: Check) -> Image.Image:
        seen.append(image.size)
        return doubling(image, check)

    grown = Upscaler(name="double", enlarge=enlarge).upscale(picture(16, 20), wanted, wanted * 5 // 4)
    assert (len(seen), grown.size) == (runs, (wanted, wanted * 5 // 4))
    assert runs <= RUNS


def test_a_model_that_does_not_enlarge_runs_once() -> None:
    calls: list[int] = []

    def repair(image: Image.Image, check: Check) -> Image.Image:
        calls.append(1)
        return image

    assert Upscaler(name="repair", enlarge=repair).upscale(picture(8, 8), 32, 32).size == (32, 32)
    assert calls == [1]


def test_transparency_is_upscaled_apart() -> None:
    image = picture(8, 8, "RGBA")
    grown = Upscaler(name="double", enlarge=doubling).upscale(image, 16, 16)
    alpha = image.getchannel("A").resize((16, 16), Image.Resampling.LANCZOS)
    assert grown.getchannel("A").tobytes() == alpha.tobytes()
    assert grown.convert("RGB").tobytes() == doubling(image.convert("RGB"), lambda: None).tobytes()


def test_a_miss_names_the_nearest(upscalers: Upscalers) -> None:
    with pytest.raises(NotFoundError, match="Did you mean Lanczos") as told:
        upscalers.find("Lancoz")
    assert told.value.field == "upscaler"
    with pytest.raises(NotFoundError, match="None, Lanczos, Nearest"):
        upscalers.find("4x-UltraSharp")


def test_no_picture_of_no_size(upscalers: Upscalers) -> None:
    with pytest.raises(UserError, match="0x5"):
        upscalers.find("None").upscale(picture(8, 8), 0, 5)
