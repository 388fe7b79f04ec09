"""Pictures extended to any size: what was there stays, what is new is painted, and one run is one job."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.processing.progress import Control, Picture, Progress
from modules.processing.requests import After, Generate, InitImage, Sampling, ScriptCall, Seed, Shape

MK2, POOR = "Outpainting mk2", "Poor man's outpainting"
BOTH = pytest.mark.parametrize("name", [MK2, POOR])


def scene(width: int = 72, height: int = 85) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8))


def asking(engine, name: str, *pictures: Image.Image, shape: Shape | None = None, **arguments) -> Generate:
    return Generate(
        shape=shape or Shape(width=64, height=64),
        seed=Seed(seed=7),
        sampling=Sampling(sampler="Euler a", steps=2),
        source=InitImage(images=tuple(map(engine.inputs.put, pictures)), strength=0.8),
        after=After(save=False, grid=False, script=ScriptCall(name=name, arguments={"pixels": 24, **arguments})),
    )


def opened(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(picture.path).convert("RGB"))


@BOTH
@pytest.mark.parametrize(
    ("directions", "margins"),  # left, up, right, down
    [(["left", "right", "up", "down"], (24, 24, 24, 24)), (["down"], (0, 0, 0, 24)), (["right", "up"], (0, 24, 24, 0))],
)
def test_the_picture_grows_to_the_asked_sides_and_stays_where_it_was(engine, name, directions, margins) -> None:
    image, (left, up, right, down) = scene(), margins
    (picture,) = engine.run(asking(engine, name, image, directions=directions, mask_blur=2)).pictures
    made = opened(picture)
    assert made.shape == (85 + up + down, 72 + left + right, 3)
    inside, before = made[up : up + 85, left : left + 72], np.asarray(image)
    reach = 2 + 5 if name == MK2 else 4 + 10  # what is painted anew, and how far a blur of that deviation goes
    kept = np.s_[reach if up else 0 : 85 - reach if down else 85, reach if left else 0 : 72 - reach if right else 72]
    assert np.array_equal(inside[kept], before[kept])
    assert not np.array_equal(inside, before)
    new = np.ones(made.shape[:2], bool)
    new[up : up + 85, left : left + 72] = False
    assert len(np.unique(made[new], axis=0)) > new.sum() / 4  # painted, not one colour


@BOTH
def test_a_seed_gives_one_picture_and_another_gives_another(engine, name) -> None:
    request = asking(engine, name, scene(), directions=["left"])
    first, again = (opened(engine.run(request).pictures[0]) for _ in range(2))
    other = engine.run(dataclasses.replace(request, seed=Seed(seed=8))).pictures[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, opened(other))


@BOTH
def test_every_picture_of_every_batch_is_extended(engine, name) -> None:
    request = asking(
        engine,
        name,
        scene(),
        shape=Shape(width=64, height=64, batch_size=2, batch_count=2),
        directions=["left", "up"],
    )
    seen: list[object] = []
    result = engine.run(request, report=seen.append)
    assert [one.seed for one in result.pictures] == [7, 8, 9, 10]
    assert [(one.width, one.height) for one in result.pictures] == [(96, 109)] * 4
    assert len({opened(one).tobytes() for one in result.pictures}) == 4
    told = [one for one in seen if isinstance(one, Picture)]
    assert [one.path for one in told] == [one.path for one in result.pictures]
    fractions = [one.fraction for one in seen if isinstance(one, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9


def test_the_finished_sides_are_kept_when_the_job_is_stopped(engine) -> None:
    control = Control()

    def stop(event: object) -> None:
        if isinstance(event, Progress) and event.text == "right" and event.stage == "denoise":
            control.interrupt()

    request = asking(engine, MK2, scene(), directions=["left", "right"])
    result = engine.run(request, control=control, report=stop)
    assert result.interrupted
    assert [(one.width, one.height) for one in result.pictures] == [(96, 85)]


def test_a_transparent_picture_is_laid_on_the_background(engine) -> None:
    image = scene().convert("RGBA")
    image.putalpha(0)
    request = dataclasses.replace(
        asking(engine, POOR, image, directions=["left"]), overrides={"img2img_background_color": "#102030"}
    )
    made = opened(engine.run(request).pictures[0])
    assert (made[:, 60:] == (0x10, 0x20, 0x30)).all()


@BOTH
def test_what_cannot_be_extended_is_told_before_it_is_queued(engine, name) -> None:
    with pytest.raises(UserError, match="nothing to make"):
        engine.resolve(asking(engine, name, scene(), directions=[]))
    with pytest.raises(UserError, match="2 different sizes"):
        engine.resolve(asking(engine, POOR, scene(), scene(40, 90)))


def test_nothing_but_the_result_is_saved(engine, tmp_path: Path) -> None:
    request = asking(engine, MK2, scene(), directions=["left", "up"])
    engine.run(dataclasses.replace(request, after=dataclasses.replace(request.after, save=True, grid=True)))
    assert len(list((tmp_path / "outputs").rglob("*.png"))) == 1


@BOTH
def test_windows_leave_no_files_behind(engine, name) -> None:
    before = {*engine.paths.results.rglob("*")}
    made = engine.run(asking(engine, name, scene(), directions=["left", "right"])).pictures
    assert [str(one) for one in {*engine.paths.results.rglob("*")} - before if one.is_file()] == [made[0].path]


@BOTH
@pytest.mark.parametrize("size", [(16370, 64), (64, 30)])
def test_a_result_of_no_possible_size_is_refused_before_painting(engine, name, size) -> None:
    with pytest.raises(UserError, match="but 64 to 16384 pixels are possible"):
        engine.resolve(asking(engine, name, scene(*size), directions=["left", "up"]))
