"""Every subset of the parts after a "|", each as the picture made alone."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from modules.core.errors import UserError
from modules.processing.requests import After, Generate, Prompt, Sampling, ScriptCall, Seed, Shape
from modules.processing.scripts import read_wish
from modules.processing.scripts.fields import change
from modules.processing.scripts.prompt_matrix import read_matrix

BASE = Generate(
    prompt=Prompt(positive="a cat | in oil | at night,", negative="dull | dark"),
    shape=Shape(width=64, height=64, batch_size=2),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler a", steps=1),
    after=After(),
)


def asking(request=BASE, /, **arguments):
    return change(request, "after.script", ScriptCall(name="Prompt matrix", arguments=arguments))


def prompts(engine, request=BASE, /, **arguments):
    matrix = read_matrix(read_wish(asking(request, **arguments), engine)[1])
    return [matrix.prompt(at) for at in range(matrix.count)]


def test_every_subset_is_there_once(engine):
    parts = ["one", "two", "three", "four"]
    found = prompts(engine, change(BASE, "prompt.positive", " | ".join(["main", *parts])))
    subsets = (many for size in range(5) for many in itertools.combinations(parts, size))
    assert sorted(found) == sorted(", ".join(["main", *one]) for one in subsets)


def test_the_options_shape_the_prompts(engine):
    assert prompts(engine) == ["a cat", "a cat, in oil", "a cat, at night", "a cat, in oil, at night"]
    assert prompts(engine, put_at_start=True)[3] == "in oil, at night, a cat"
    assert prompts(engine, delimiter="space")[3] == "a cat in oil at night"
    assert prompts(engine, prompt_type="negative") == ["dull", "dull, dark"]


def test_the_pictures_are_those_made_alone_behind_their_grid(engine):
    made = engine.run(asking(different_seeds=True)).pictures
    assert [one.kind for one in made] == ["grid", *["sample"] * 4]
    assert Path(made[0].path).name == "prompt_matrix-0000.png"
    assert [one.seed for one in made[1:]] == [7, 8, 9, 10]
    sheet = np.asarray(made[0].open())[-128:, -128:]
    for at, text in enumerate(prompts(engine)):
        alone = dataclasses.replace(
            BASE,
            prompt=dataclasses.replace(BASE.prompt, positive=text),
            shape=dataclasses.replace(BASE.shape, batch_size=1),
            seed=Seed(seed=7 + at),
        )
        expected = np.asarray(engine.run(alone).pictures[0].open())
        assert np.array_equal(np.asarray(made[1 + at].open()), expected), text
        y, x = divmod(at, 2)
        assert np.array_equal(sheet[y * 64 : y * 64 + 64, x * 64 : x * 64 + 64], expected), text


def test_too_many_parts_are_refused(engine):
    with pytest.raises(UserError, match="8192 pictures"):
        engine.resolve(asking(change(BASE, "prompt.positive", "|" * 13)))
