"""SD upscale: tiles as img2img makes them, put together at the size asked for."""

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.infotext import parse_infotext
from modules.processing.requests import After, Generate, InitImage, Sampling, ScriptCall, Seed, Shape
from modules.processing.scripts.fields import change, change_init
from modules.processing.tasks.options import BACKGROUND


@pytest.fixture
def picture():
    rows, columns = np.mgrid[0:64, 0:96]
    return Image.fromarray(np.stack([rows * 4, columns * 2, (rows + columns) % 256], axis=-1).astype(np.uint8))


@pytest.fixture
def base(engine, picture):
    return Generate(
        shape=Shape(width=64, height=64, batch_size=2),
        seed=Seed(seed=7),
        sampling=Sampling(sampler="Euler", steps=2),
        source=InitImage(images=(engine.inputs.put(picture),), strength=0.6),
        after=After(save=False, grid=False),
    )


def asking(request, **arguments):
    return change(request, "after.script", ScriptCall(name="SD upscale", arguments=arguments))


def test_without_overlap_each_tile_is_the_picture_made_alone(engine, base, picture):
    made = engine.run(asking(base, upscaler="Lanczos", scale=2.0, overlap=0)).pictures
    assert [(one.kind, one.width, one.height) for one in made] == [("sample", 192, 128)]
    whole = np.asarray(made[0].open())
    large = picture.resize((192, 128), Image.Resampling.LANCZOS)
    for at, (x, y) in enumerate([(0, 0), (64, 0), (128, 0), (0, 64), (64, 64), (128, 64)]):
        tile = engine.inputs.put(large.crop((x, y, x + 64, y + 64)))
        alone = change(change_init(base, images=(tile,)), "seed.seed", 7 + at // 2 + at % 2)
        alone = change(alone, "shape.batch_size", 1)
        expected = np.asarray(engine.run(alone).pictures[0].open())
        assert np.abs(whole[y : y + 64, x : x + 64].astype(int) - expected).max() <= 1, (x, y)


@pytest.mark.parametrize("blend", ["linear", "poisson"])
def test_what_nothing_was_done_to_comes_back_whole(engine, base, picture, blend):
    still = change_init(base, strength=0.0)
    made = engine.run(asking(still, upscaler="None", overlap=16, blend=blend)).pictures[0]
    assert (made.width, made.height) == picture.size
    vae = engine.run(change(change_init(still, resize="just"), "shape.width", 96)).pictures[0]
    assert np.abs(np.asarray(made.open()).astype(int) - np.asarray(vae.open())).mean() < 40


def test_the_infotext_names_overlap_and_upscaler(engine, base):
    fields = parse_infotext(engine.run(asking(base, upscaler="Nearest", scale=1.5, overlap=16)).pictures[0].infotext)
    assert (fields["SD upscale overlap"], fields["SD upscale upscaler"]) == ("16", "Nearest")
    assert fields["Seed"] == "7"


def test_each_batch_count_is_a_picture_of_its_own(engine, base):
    made = engine.run(asking(change(base, "shape.batch_count", 2), upscaler="None", overlap=0)).pictures
    assert [one.seed for one in made] == [7, 8]


def test_an_overlap_as_large_as_the_tile_is_refused(engine, base):
    with pytest.raises(UserError, match="overlap is 64"):
        engine.resolve(asking(base, overlap=64))


def test_what_is_transparent_takes_the_requests_background(engine, base):
    clear = engine.inputs.put(Image.new("RGBA", (64, 64)))
    request = asking(change_init(base, images=(clear,), strength=0.0), upscaler="None", overlap=0)
    means = []
    for colour in ("#000000", "#ffffff"):
        made = engine.run(change(request, "overrides", {BACKGROUND.key: colour})).pictures[0]
        means.append(np.asarray(made.open()).mean())
    assert means[0] != means[1], means


def test_tiles_leave_no_files_behind(engine, base):
    before = {*engine.paths.results.rglob("*")}
    made = engine.run(asking(base, upscaler="Nearest", scale=2.0, overlap=0)).pictures
    assert [str(one) for one in {*engine.paths.results.rglob("*")} - before if one.is_file()] == [made[0].path]
