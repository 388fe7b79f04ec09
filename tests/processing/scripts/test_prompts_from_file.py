"""Each line of a text is a request: its options, its seed, and where the main prompt goes."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.infotext import parse_infotext
from modules.processing.requests import After, Generate, Prompt, Sampling, ScriptCall, Seed, Shape
from modules.processing.scripts.prompts_from_file import OPTIONS, read_lines

BASE = Generate(
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler a", steps=2),
    after=After(save=False, grid=False),
)


def run(engine, text, request=BASE, **arguments):
    call = ScriptCall(name="Prompts from file or textbox", arguments={"prompts": text, **arguments})
    return engine.run(dataclasses.replace(request, after=dataclasses.replace(request.after, script=call)))


def test_a_line_of_options_sets_every_field_it_names():
    line = read_lines(
        '--prompt a red apple --negative_prompt "grey, dull" --seed 5 --subseed 6 --subseed_strength 0.25 --steps 3 '
        "--sampler_name k_euler_a --cfg_scale 4.5 --width 128 --height 64 --batch_size 2 --n_iter 3 --tiling true "
        "--styles 'one, two' --sd_model tiny --do_not_save_samples false --seed_resize_from_h 64"
    )[0]
    assert line.fields == {
        "prompt.positive": "a red apple",
        "prompt.negative": "grey, dull",
        "seed.seed": 5,
        "seed.variation": 6,
        "seed.variation_strength": 0.25,
        "sampling.steps": 3,
        "sampling.sampler": "Euler a",
        "sampling.cfg_scale": 4.5,
        "shape.width": 128,
        "shape.height": 64,
        "shape.batch_size": 2,
        "shape.batch_count": 3,
        "model.tiling": True,
        "prompt.styles": ("one", "two"),
        "model.checkpoint": "tiny",
        "after.save": True,
        "seed.resize_from_height": 64,
    }


def test_a_sampler_may_be_named_with_its_schedule(engine):
    fields = parse_infotext(run(engine, '--sampler_name "DPM++ 2M Karras" --restore_faces false').pictures[0].infotext)
    assert (fields["Sampler"], fields["Schedule type"]) == ("DPM++ 2M", "Karras")


def test_a_prompt_may_have_dashes_in_it():
    assert read_lines("a cat -- on a mat\n\n  a dog  ")[0].fields == {"prompt.positive": "a cat -- on a mat"}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_without_a_value_names_itself_and_its_line(name):
    with pytest.raises(UserError, match=f"Line 2 .*--{name} has no value"):
        read_lines(f"a cat\n--{name}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--stepz 3", "unknown option --stepz"),
        ("--steps many", "--steps cannot be 'many'"),
        ("--tiling perhaps", "--tiling cannot be"),
        ("--restore_faces true", "no face detector"),
        ("--sampler_name Eular", "Unknown sampler 'Eular'"),
        ("--sampler_index 99", "--sampler_index cannot be"),
        ('--prompt "a cat', "quotation"),
        ("--steps 3 4", "'4' stands where an option"),
    ],
)
def test_what_is_wrong_with_a_line_is_told(line, told):
    with pytest.raises(UserError, match=told):
        read_lines(line)


def test_each_line_is_the_picture_made_alone(engine):
    made = run(engine, "a cat\n--prompt a dog --steps 3 --seed 9").pictures
    alone = [
        engine.run(dataclasses.replace(BASE, prompt=Prompt(positive="a cat"))),
        engine.run(
            dataclasses.replace(
                BASE,
                prompt=Prompt(positive="a dog"),
                seed=Seed(seed=9),
                sampling=dataclasses.replace(BASE.sampling, steps=3),
            )
        ),
    ]
    for one, other in zip(made, alone, strict=True):
        assert np.array_equal(np.asarray(Image.open(one.path)), np.asarray(Image.open(other.pictures[0].path)))


@pytest.mark.parametrize(("position", "prompt"), [("start", "a cat in oil"), ("end", "in oil a cat")])
def test_the_main_prompt_goes_to_the_other_end(engine, position, prompt):
    base = dataclasses.replace(BASE, prompt=Prompt(positive="in oil", negative="dull"))
    made = run(engine, "a cat", base, position=position).pictures[0]
    fields = parse_infotext(made.infotext)
    assert (fields["Prompt"], fields["Negative prompt"]) == (prompt, "dull")


def test_seeds_follow_the_options(engine):
    request = dataclasses.replace(BASE, seed=Seed(seed=-1))
    same = [one.seed for one in run(engine, "a\nb\nc", request, same_seed=True).pictures]
    assert len(set(same)) == 1
    counted = [one.seed for one in run(engine, "a\nb\nc", BASE, iterate_seed=True).pictures]
    assert counted == [7, 8, 9]


def test_a_folder_outside_of_the_data_is_refused_before_start(engine):
    with pytest.raises(UserError, match="outside"):
        run(engine, "--prompt a --outpath_samples /etc")
