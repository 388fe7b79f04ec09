"""Arguments of scripts are checked before anything is queued, and one run of a script is one job."""

import dataclasses
from pathlib import Path

import pytest

from modules.core.errors import NotFoundError, UserError
from modules.processing.pasted import request_from_infotext
from modules.processing.progress import Control, Picture, Progress
from modules.processing.reproduce import reproduce
from modules.processing.requests import After, Generate, Prompt, Sampling, ScriptCall, Seed, Shape
from modules.processing.scripts import Argument, scripts

BASE = Generate(
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler a", steps=2),
    after=After(save=False, grid=False),
)


def asking(name: str, **arguments) -> Generate:
    return dataclasses.replace(
        BASE, after=dataclasses.replace(BASE.after, script=ScriptCall(name=name, arguments=arguments))
    )


LINES = asking("Prompts from file or textbox", prompts="a cat\n--prompt a dog --steps 500\na cow")


@pytest.mark.parametrize("script", scripts, ids=lambda one: one.title)
def test_defaults_of_every_script_pass_its_own_checks(script, engine):
    for tab in script.tabs:
        checked = script.read({one.name: one.default for one in script.arguments}, engine, tab)
        assert list(checked) == [one.name for one in script.arguments]


def test_unknown_script_and_argument_are_told_with_near_names(engine):
    with pytest.raises(NotFoundError, match="Prompts from file"):
        engine.resolve(asking("Prompts from file"))
    with pytest.raises(UserError, match="Did you mean prompts") as told:
        engine.resolve(asking("Prompts from file or textbox", prompt="a cat"))
    assert told.value.field == "script.prompt"


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        (Argument(name="a", label="A", kind="slider", default=1, minimum=1, maximum=4), 5, "1 to 4"),
        (Argument(name="a", label="A", kind="slider", default=1, minimum=1, maximum=4), 1.5, "whole"),
        (Argument(name="a", label="A", kind="number", default=0.5), True, "a number"),
        (Argument(name="a", label="A", kind="number", default=0.5, minimum=0), float("nan"), "0 or more"),
        (Argument(name="a", label="A", kind="checkbox", default=False), "yes", "true or false"),
        (Argument(name="a", label="A", kind="text"), 3, "text"),
        (Argument(name="a", label="A", kind="choice", choices=("left", "right")), "lefd", "Did you mean left"),
        (Argument(name="a", label="A", kind="choice", choices=("left", "right")), 2, "0 to 1"),
        (Argument(name="a", label="A", kind="several", choices=("left", "right")), ["up"], "one of its choices"),
    ],
)
def test_an_argument_says_what_it_expects(argument, value, expected, engine):
    with pytest.raises(UserError, match=expected):
        argument.check(value, engine, "txt2img")


def test_choices_are_taken_by_name_and_by_number(engine):
    argument = Argument(name="a", label="A", kind="choice", choices=("Left", "Right"))
    assert [argument.check(one, engine, "txt2img") for one in ("left", 1)] == ["Left", "Right"]


def test_a_failing_request_does_not_cost_the_others(engine):
    made = engine.run(LINES)
    assert len(made.pictures) == 2
    assert [one for one in made.info["warnings"] if "500" in one] == ["Line 2: steps is 500, but 1 to 150 is possible."]
    assert made.info["all_prompts"] == ["a cat", "a cow"]


def test_when_every_request_fails_the_job_does(engine):
    with pytest.raises(UserError, match="steps is 500"):
        engine.run(asking("Prompts from file or textbox", prompts="--prompt a --steps 500"))


def test_progress_runs_once_over_the_whole_job(engine):
    events = []
    engine.run(asking("Prompts from file or textbox", prompts="a\nb\nc"), report=events.append)
    progress = [one for one in events if isinstance(one, Progress)]
    fractions = [one.fraction for one in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.95
    assert {(one.batches, one.images) for one in progress} == {(3, 3)}
    assert [one.batch for one in progress if one.stage == "decode"] == [0, 1, 2]
    assert len([one for one in events if isinstance(one, Picture)]) == 3


def test_an_interrupt_keeps_what_there_is(engine):
    control = Control()

    def stop(event):
        if isinstance(event, Picture):
            control.interrupt()

    made = engine.run(asking("Prompts from file or textbox", prompts="a\nb\nc"), control=control, report=stop)
    assert (len(made.pictures), made.interrupted) == (1, True)


def test_a_skip_gives_up_one_request(engine):
    control = Control()
    control.skip()
    made = engine.run(asking("Prompts from file or textbox", prompts="a\nb\nc"), control=control)
    assert (made.info["all_prompts"][0], len(made.pictures), made.interrupted) == ("a", 2, False)


@pytest.mark.parametrize(
    ("name", "arguments", "seed"),
    [
        ("Prompt matrix", {"different_seeds": True}, -1),
        ("X/Y/Z plot", {"x_type": "Seed", "x_values": "3, -1", "y_type": "Clip skip", "y_values": "1, 2"}, -1),
        ("X/Y/Z plot", {"x_type": "Steps", "x_values": "1, 2", "include_sub_grids": True, "vary_seeds_x": True}, 5),
    ],
)
def test_a_sheet_is_made_again_from_its_own_file(engine, name, arguments, seed):
    engine.settings.update({"eta_ancestral": 0.5})
    asked = Generate(
        prompt=Prompt(positive="a cat | in oil"),
        shape=Shape(width=64, height=64),
        seed=Seed(seed=seed),
        sampling=Sampling(sampler="Euler a", steps=2),
        after=After(save=False, script=ScriptCall(name=name, arguments=arguments)),
    )
    sheet = engine.run(asked).pictures[0]
    assert sheet.kind == "grid"
    engine.settings.update({"eta_ancestral": 1.0})
    answer = reproduce(engine, Path(sheet.path))
    assert answer.identical, answer


def test_the_infotext_of_a_sheet_leads_back_to_its_script(engine):
    asked = Generate(
        prompt=Prompt(positive="a cat | in oil, at night"),
        shape=Shape(width=64, height=64),
        seed=Seed(seed=7),
        sampling=Sampling(sampler="Euler a", steps=1),
        after=After(save=False, script=ScriptCall(name="Prompt matrix", arguments={"delimiter": "space"})),
    )
    told = request_from_infotext(engine.run(asked).pictures[0].infotext)
    assert told.request.prompt.positive == "a cat | in oil, at night"
    assert told.request.after.script is not None
    assert told.request.after.script.name == "Prompt matrix"
    assert told.request.after.script.arguments["delimiter"] == "space"
    assert not told.unknown
