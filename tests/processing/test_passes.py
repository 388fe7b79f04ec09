"""Steps by strength, sizes of the second pass, and how a large size is reached."""

from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.processing.passes import choose_method, hires_sizes, steps_for, windows_for, with_first_pass
from modules.processing.requests import After, Generate, Hires, InitImage, Shape, Windows


@pytest.mark.parametrize("strength", [0.01, 0.3, 0.5, 0.75, 0.999, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 20, 50])
def test_a_share_of_the_steps_is_made_as_in_a1111(steps: int, strength: float) -> None:
    found = steps_for(steps, strength, exact=False)
    assert found.run == int(min(strength, 0.999) * steps) + 1
    assert found.total == steps


@pytest.mark.parametrize(("steps", "strength", "total"), [(20, 0.5, 40), (20, 0.75, 26), (10, 1.0, 10), (7, 0.3, 23)])
def test_exact_steps_end_a_longer_way(steps: int, strength: float, total: int) -> None:
    found = steps_for(steps, strength, exact=True)
    assert (found.run, found.total) == (steps, total)


def test_no_strength_takes_no_step() -> None:
    assert steps_for(20, 0.0, exact=True).run == steps_for(20, 0.0, exact=False).run == 0


@pytest.mark.parametrize(
    ("hires", "cover", "size"),
    [
        (Hires(scale=2.0), (1024, 768), (1024, 768)),
        (Hires(scale=1.55), (793, 595), (793, 595)),
        (Hires(width=768), (768, 576), (768, 576)),
        (Hires(height=768), (1024, 768), (1024, 768)),
        (Hires(width=1024, height=1024), (1366, 1024), (1024, 1024)),
        (Hires(width=2048, height=512), (2048, 1536), (2048, 512)),
        (Hires(width=1024, height=768, scale=9.0), (1024, 768), (1024, 768)),
    ],
)
def test_the_second_pass_covers_what_is_asked(hires: Hires, cover: tuple[int, int], size: tuple[int, int]) -> None:
    assert hires_sizes(512, 384, hires) == (cover, size)


@pytest.mark.parametrize(
    ("width", "height", "method"),
    [
        (512, 512, "direct"),
        (768, 768, "direct"),
        (256, 256, "direct"),
        (776, 776, "hires"),
        (1536, 1536, "hires"),
        (1600, 1536, "windows"),
        (4096, 512, "hires"),
        (8192, 512, "windows"),
    ],
)
def test_auto_chooses_by_the_area(width: int, height: int, method: str) -> None:
    request = Generate(shape=Shape(width=width, height=height, method="auto"))
    assert choose_method(request, (512, 512)) == method


def test_auto_never_puts_a_first_pass_before_a_picture() -> None:
    large = Shape(width=1024, height=1024, method="auto")
    assert choose_method(Generate(shape=large, source=InitImage(images=("a",))), (512, 512)) == "windows"
    assert choose_method(Generate(shape=large, after=After(hires=Hires())), (512, 512)) == "windows"


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (1000, 700), (513, 1535), (400, 300)])
def test_a_first_pass_has_the_models_area_and_the_asked_aspect(width: int, height: int) -> None:
    found = with_first_pass(Generate(shape=Shape(width=width, height=height, method="hires")), (512, 512), 8)
    assert found.after.hires is not None
    assert (found.after.hires.width, found.after.hires.height) == (width, height)
    first = found.shape
    assert first.width % 8 == first.height % 8 == 0
    assert first.width * first.height <= max(512 * 512 * 1.05, width * height * 1.05)
    assert abs(first.width / first.height - width / height) < 0.06 * width / height


def test_windows_take_the_models_own_side() -> None:
    assert windows_for(Windows(), (512, 768), 8) == Windows(size=512, overlap=256)
    with pytest.raises(UserError, match=r"overlap is 512, .* from 0 to 504"):
        windows_for(Windows(size=512, overlap=512), (512, 512), 8)
    with pytest.raises(UserError, match=r"window size is 500.*multiple of 8"):
        windows_for(Windows(size=500), (512, 512), 8)
