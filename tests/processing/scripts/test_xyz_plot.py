"""Plots: each cell is the picture made alone, and the grid says what its axes were."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import read_papers
from modules.processing.requests import (
    After,
    Generate,
    Hires,
    InitImage,
    Prompt,
    Refiner,
    Sampling,
    ScriptCall,
    Seed,
    Shape,
)
from modules.processing.scripts import read_wish
from modules.processing.scripts.fields import change
from modules.processing.scripts.xyz_axes import axes, axis_names, numbered_axes
from modules.processing.scripts.xyz_plot import Plot, read_plot

BASE = Generate(
    prompt=Prompt(positive="a cat and a dog", negative="dull"),
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler a", steps=2, cfg_scale=5.0),
    after=After(save=False, grid=False),
)
QUIET = {"x_type": "Nothing", "draw_legend": False}


def asking(request: Generate = BASE, /, **arguments: Any) -> Generate:
    call = ScriptCall(name="X/Y/Z plot", arguments={**QUIET, **arguments})
    return change(request, "after.script", call)


def plot_of(engine, request: Generate = BASE, /, **arguments: Any) -> Plot:
    return read_plot(read_wish(asking(request, **arguments), engine)[1])


def requests_of(engine, request: Generate = BASE, /, **arguments: Any) -> list[Generate]:
    plot = plot_of(engine, request, **arguments)
    return [plot.cell(one) for one in plot.cells()]


def test_cells_are_the_pictures_made_alone(engine):
    asked = asking(x_type="Steps", x_values="1-3", y_type="CFG Scale", y_values="2, 7.5", include_lone_images=True)
    made = engine.run(asked).pictures
    grid = np.asarray(made[0].open())
    assert grid.shape == (2 * 64, 3 * 64, 3)
    assert [one.kind for one in made] == ["grid", *["sample"] * 6]
    for at, (cfg, steps) in enumerate(itertools.product([2.0, 7.5], [1, 2, 3])):
        alone = change(change(BASE, "sampling.steps", steps), "sampling.cfg_scale", cfg)
        expected = np.asarray(engine.run(alone).pictures[0].open())
        y, x = divmod(at, 3)
        assert np.array_equal(grid[y * 64 : y * 64 + 64, x * 64 : x * 64 + 64], expected), (steps, cfg)
        assert np.array_equal(np.asarray(made[1 + at].open()), expected)


def test_the_grid_comes_first_and_alone_unless_more_is_asked(engine):
    asked: dict[str, Any] = {"x_type": "Steps", "x_values": "1, 2", "z_type": "CFG Scale", "z_values": "3, 5"}
    made = engine.run(asking(**asked))
    assert [one.kind for one in made.pictures] == ["grid"]
    assert made.info["index_of_first_image"] == 1
    with_grids = engine.run(asking(**asked, include_sub_grids=True)).pictures
    assert [(one.kind, one.width, one.height) for one in with_grids] == [
        ("grid", 256, 64),
        ("grid", 128, 64),
        ("grid", 128, 64),
    ]


def test_the_grid_is_saved_under_its_name_with_what_the_axes_were(engine):
    request = change(change(BASE, "after.save", True), "after.grid", True)
    asked = asking(request, x_type="Seed", x_values="3, -1", y_type="Prompt S/R", y_values='cat, "cow, brown"')
    grid = engine.run(asked).pictures[0]
    assert (Path(grid.path).name, grid.saved) == ("xyz_grid-0000.png", True)
    assert Path(grid.path).is_relative_to(engine.paths.data / "outputs" / "txt2img-grids")
    fields = parse_infotext(read_papers(Path(grid.path)).infotext)
    assert fields["Script"] == "X/Y/Z plot"
    assert (fields["X Type"], fields["X Values"]) == ("Seed", "3, -1")
    fixed = fields["Fixed X Values"].split(", ")
    assert fixed[0] == "3"
    assert int(fixed[1]) >= 0
    assert (fields["Y Type"], fields["Y Values"]) == ("Prompt S/R", 'cat, "cow, brown"')
    assert "Z Type" not in fields
    assert (fields["Seed"], fields["Prompt"]) == ("3", "a cat and a dog")
    assert list(fields)[-1] == "Version"
    assert Path(engine.run(asked).pictures[0].path).name == "xyz_grid-0001.png"


def test_legends_and_margins_make_room(engine):
    plain: dict[str, Any] = {"x_type": "Steps", "x_values": "1, 2", "y_type": "CFG Scale", "y_values": "3, 5"}
    made = engine.run(asking(**plain, margin_size=10)).pictures[0]
    assert (made.width, made.height) == (2 * 64 + 10, 2 * 64 + 10)
    told = engine.run(asking(**plain, draw_legend=True)).pictures[0]
    left, top = told.width - 128, told.height - 128
    assert left == 48
    assert top > 12
    cells = np.asarray(told.open())[top:, left:]
    assert np.array_equal(cells[10:64, 10:64], np.asarray(made.open())[10:64, 10:64])


def test_a_failing_cell_is_blank_and_told(engine):
    run = engine.run

    def fails_at_two(request, **more):
        if request.after.script is None and request.sampling.steps == 2:
            raise MemoryError("no room")
        return run(request, **more)

    engine.run = fails_at_two
    made = run(asking(x_type="Steps", x_values="1-3"))
    grid = np.asarray(made.pictures[0].open())
    assert (grid[:, 64:128] == 255).all()
    assert not (grid[:, :64] == 255).all()
    assert made.info["warnings"] == ["Steps: 2: no room"]


def test_a_minus_one_is_drawn_once_unless_it_is_kept(engine):
    request = change(BASE, "seed.seed", -1)
    seeds = {one.seed.seed for one in requests_of(engine, request, x_type="Steps", x_values="1-3")}
    assert len(seeds) == 1
    assert -1 not in seeds
    kept = {one.seed.seed for one in requests_of(engine, request, x_type="Steps", x_values="1-3", no_fixed_seeds=True)}
    assert kept == {-1}


@pytest.mark.parametrize(
    ("vary", "seeds"),
    [
        ("x", [7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9]),
        ("y", [7, 7, 7, 8, 8, 8, 7, 7, 7, 8, 8, 8]),
        ("z", [7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8]),
        ("xyz", list(range(7, 19))),
    ],
)
def test_seeds_vary_along_the_axes_asked(engine, vary, seeds):
    asked: dict[str, Any] = {
        "x_type": "Steps",
        "x_values": "1-3",
        "y_type": "CFG Scale",
        "y_values": "2,3",
        "z_type": "Eta",
    }
    plot = plot_of(engine, **asked, z_values="0, 1", **{f"vary_seeds_{one}": True for one in vary})
    found = [plot.cell((x, y, z)).seed.seed for z in range(2) for y in range(2) for x in range(3)]
    assert found == seeds


def test_what_is_slow_to_change_changes_the_least(engine):
    asked: dict[str, Any] = {
        "x_type": "Checkpoint name",
        "x_values": "tiny, tiny-v",
        "y_type": "Steps",
        "y_values": "1, 2",
    }
    assert [one.model.checkpoint for one in requests_of(engine, **asked)] == ["tiny", "tiny", "tiny-v", "tiny-v"]
    plain = requests_of(engine, x_type="Steps", x_values="1, 2", y_type="CFG Scale", y_values="3, 5")
    assert [one.sampling.steps for one in plain] == [1, 2, 1, 2]


def test_search_and_replace(engine):
    found = requests_of(engine, x_type="Prompt S/R", x_values="dog, cow,")
    assert [one.prompt.positive for one in found] == ["a cat and a dog", "a cat and a cow", "a cat and a "]
    found = requests_of(engine, x_type="Prompt S/R", x_values="dull, bright")
    assert [one.prompt.negative for one in found] == ["dull", "bright"]
    with pytest.raises(UserError, match="did not find 'horse'"):
        requests_of(engine, x_type="Prompt S/R", x_values="horse, cow")


def test_prompt_order_gives_every_order(engine):
    request = change(BASE, "prompt.positive", "one, two and three!")
    found = [one.prompt.positive for one in requests_of(engine, request, x_type="Prompt order", x_values="three, one")]
    assert found == ["three, two and one!", "one, two and three!"]
    assert len(set(requests_texts(engine, request, "one, two, three"))) == 6
    with pytest.raises(UserError, match="did not find 'four'"):
        requests_of(engine, request, x_type="Prompt order", x_values="one, four")


def requests_texts(engine, request, values):
    return [one.prompt.positive for one in requests_of(engine, request, x_type="Prompt order", x_values=values)]


HIRES = change(BASE, "after.hires", Hires())
REFINED = change(BASE, "model.refiner", Refiner(checkpoint="tiny-v"))
AXES = {
    "Seed": (BASE, "5", lambda one: one.seed.seed == 5),
    "Var. seed": (BASE, "5", lambda one: one.seed.variation == 5),
    "Var. strength": (BASE, "0.5", lambda one: one.seed.variation_strength == 0.5),
    "Steps": (BASE, "3", lambda one: one.sampling.steps == 3),
    "Hires steps": (HIRES, "3", lambda one: one.after.hires.steps == 3),
    "CFG Scale": (BASE, "3", lambda one: one.sampling.cfg_scale == 3),
    "Prompt S/R": (BASE, "cat", lambda one: "cat" in one.prompt.positive),
    "Prompt order": (BASE, "cat", lambda one: "cat" in one.prompt.positive),
    "Sampler": (BASE, "k_heun", lambda one: one.sampling.sampler == "k_heun"),
    "Hires sampler": (HIRES, "Heun", lambda one: one.after.hires.second.sampler == "Heun"),
    "Checkpoint name": (BASE, "tiny-v", lambda one: one.model.checkpoint == "tiny-v"),
    "Negative Guidance minimum sigma": (BASE, "1", lambda one: one.sampling.negative_guidance_minimum_sigma == 1),
    "Sigma Churn": (BASE, "1", lambda one: one.sampling.churn.s_churn == 1),
    "Sigma min": (BASE, "1", lambda one: one.sampling.churn.s_tmin == 1),
    "Sigma max": (BASE, "9", lambda one: one.sampling.churn.s_tmax == 9),
    "Sigma noise": (BASE, "1.01", lambda one: one.sampling.churn.s_noise == 1.01),
    "Schedule type": (BASE, "Karras", lambda one: one.sampling.schedule == "Karras"),
    "Schedule min sigma": (BASE, "0.1", lambda one: one.overrides == {"sigma_min": 0.1}),
    "Schedule max sigma": (BASE, "9", lambda one: one.overrides == {"sigma_max": 9.0}),
    "Schedule rho": (BASE, "5", lambda one: one.overrides == {"rho": 5.0}),
    "Beta schedule alpha": (BASE, "0.5", lambda one: one.overrides == {"beta_dist_alpha": 0.5}),
    "Beta schedule beta": (BASE, "0.5", lambda one: one.overrides == {"beta_dist_beta": 0.5}),
    "Eta": (BASE, "0.5", lambda one: one.sampling.eta == 0.5),
    "Clip skip": (BASE, "2", lambda one: one.model.clip_skip == 2),
    "Denoising": (HIRES, "0.5", lambda one: one.after.hires.strength == 0.5),
    "Initial noise multiplier": (BASE, "1.1", lambda one: one.overrides == {"initial_noise_multiplier": 1.1}),
    "Extra noise": (BASE, "0.1", lambda one: one.overrides == {"img2img_extra_noise": 0.1}),
    "Hires upscaler": (HIRES, "Lanczos", lambda one: one.after.hires.upscaler == "Lanczos"),
    "VAE": (BASE, "None", lambda one: one.model.vae == "None"),
    "Styles": (BASE, "red", lambda one: one.prompt.styles == ("red",)),
    "UniPC Order": (BASE, "2", lambda one: one.overrides == {"uni_pc_order": 2}),
    "Always discard next-to-last sigma": (
        BASE,
        "true",
        lambda one: one.overrides == {"always_discard_next_to_last_sigma": True},
    ),
    "SGM noise multiplier": (BASE, "False", lambda one: one.overrides == {"sgm_noise_multiplier": False}),
    "Refiner checkpoint": (BASE, "tiny-v", lambda one: one.model.refiner == Refiner(checkpoint="tiny-v")),
    "Refiner switch at": (REFINED, "0.5", lambda one: one.model.refiner.switch_at == 0.5),
    "RNG source": (BASE, "NV", lambda one: one.overrides == {"randn_source": "NV"}),
    "Size": (BASE, "128x64", lambda one: (one.shape.width, one.shape.height) == (128, 64)),
}


@pytest.mark.parametrize("name", [one for one in axis_names("txt2img") if one != "Nothing"])
def test_every_axis_changes_its_field(name, engine):
    engine.styles.save("red", "in red", "")
    request, text, holds = AXES[name]
    assert holds(requests_of(engine, request, x_type=name, x_values=text)[0])


@pytest.mark.parametrize(
    ("name", "text", "holds"),
    [
        ("Denoising", "0.25", lambda one: one.source.strength == 0.25),
        ("Image CFG Scale", "1.25", lambda one: one.source.image_cfg_scale == 1.25),
        ("Cond. Image Mask Weight", "0.5", lambda one: one.overrides == {"inpainting_mask_weight": 0.5}),
    ],
)
def test_axes_of_img2img_change_its_source(name, text, holds, engine):
    picture = engine.inputs.put(Image.new("RGB", (64, 64), "red"))
    request = change(BASE, "source", InitImage(images=(picture,)))
    assert holds(requests_of(engine, request, x_type=name, x_values=text)[0])
    assert name in axis_names("img2img")
    with pytest.raises(UserError, match="Hires steps"):
        engine.resolve(asking(request, x_type="Hires steps", x_values="3"))


def test_a_plot_waits_in_the_queue_as_json():
    asked = asking(x_type="Sampler", x_values_dropdown=["DDIM", "LMS"], margin_size=4)
    assert Generate.from_json(json.loads(json.dumps(asked.to_json()))) == asked


def test_values_are_picked_from_the_list_unless_text_is_asked_for(engine):
    asked: dict[str, Any] = {"x_type": "Sampler", "x_values": "Heun", "x_values_dropdown": ["DDIM", "LMS"]}
    assert [one.sampling.sampler for one in requests_of(engine, **asked)] == ["DDIM", "LMS"]
    assert [one.sampling.sampler for one in requests_of(engine, **asked, csv_mode=True)] == ["Heun"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"x_type": "Sampler", "x_values": "Euler, Eular"}, "X axis, Eular: Unknown sampler"),
        ({"y_type": "Checkpoint name", "y_values": "tyny"}, "Y axis, tyny: .*"),
        ({"z_type": "Steps", "z_values": "1, 500"}, "Z axis, Steps: 500: steps is 500"),
        ({"x_type": "Steps", "x_values": ""}, "Steps has no values"),
        ({"x_type": "Size", "x_values": "512"}, "'512' is no size"),
        ({"x_type": "Denoising", "x_values": "0.5"}, "needs Hires. fix"),
        ({"x_type": "SGM noise multiplier", "x_values": "yes"}, "neither True nor False"),
        ({"x_type": "Stepz"}, "Did you mean Steps"),
        ({"x_type": "Image CFG Scale"}, "X type is 'Image CFG Scale'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_it_begins(engine, asked, told):
    with pytest.raises(UserError, match=told):
        engine.resolve(asking(**asked))


def test_a_grid_that_is_too_large_is_refused_before_it_begins(engine):
    big = dataclasses.replace(BASE, shape=Shape(width=1024, height=1024))
    asked: dict[str, Any] = {"x_type": "Seed", "x_values": "1-20", "y_type": "Steps", "y_values": "1-10"}
    with pytest.raises(UserError, match="grid of 200 pictures would have 210 megapixels, but at most 200"):
        engine.resolve(asking(big, **asked))
    engine.settings.update({"img_max_size_mp": 300.0})
    engine.resolve(asking(big, **asked))


def test_numbers_of_axes_are_a1111s():
    txt2img, img2img = numbered_axes("txt2img"), numbered_axes("img2img")
    assert [txt2img.index(one) for one in ("Nothing", "Seed", "Steps", "CFG Scale", "Sampler")] == [0, 1, 4, 6, 9]
    assert (img2img.index("CFG Scale"), img2img.index("Prompt S/R")) == (5, 7)
    assert txt2img[-2:] == ["FP8 mode", "Size"]
    assert "Token merging ratio" not in axes


def test_an_axis_may_be_given_by_its_number(engine):
    assert requests_of(engine, x_type=4, x_values="3")[0].sampling.steps == 3
    with pytest.raises(UserError, match="FP8 mode"):
        engine.resolve(asking(x_type=numbered_axes("txt2img").index("FP8 mode")))


def test_a_cell_of_several_pictures_shows_them_all(engine):
    made = engine.run(asking(change(BASE, "shape.batch_size", 2), x_type="Steps", x_values="1, 2")).pictures[0]
    assert (made.width, made.height) == (2 * 128, 64)
