import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.core.errors import UserError
from modules.processing.requests import Churn, Generate, ModelChoice, Prompt, Refiner, Sampling, Seed, Shape

texts = st.text(max_size=40)
requests = st.builds(
    Generate,
    prompt=st.builds(Prompt, positive=texts, negative=texts, styles=st.lists(texts, max_size=3).map(tuple)),
    shape=st.builds(Shape, width=st.integers(64, 2048), height=st.integers(64, 2048)),
    seed=st.builds(Seed, seed=st.integers(-1, 2**32 - 1), variation_strength=st.floats(0, 1)),
    sampling=st.builds(Sampling, eta=st.none() | st.floats(0, 1), churn=st.none() | st.builds(Churn)),
    model=st.builds(
        ModelChoice, checkpoint=st.none() | texts, refiner=st.none() | st.builds(Refiner, checkpoint=texts)
    ),
    overrides=st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts, max_size=3),
)


@given(requests)
def test_a_request_survives_json(request_):
    assert Generate.from_json(json.loads(json.dumps(request_.to_json()))) == request_


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"sampling": {"steps": "many"}}, "sampling.steps"),
        ({"sampling": {"cfg_scale": float("nan")}}, "sampling.cfg_scale"),
        ({"shape": {"width": True}}, "shape.width"),
        ({"shape": {"breadth": 5}}, "shape.breadth"),
        ({"prompt": {"styles": ["a", 3]}}, "prompt.styles[1]"),
        ({"prompt": 3}, "prompt."),
        ({"source": {"kind": "magic"}}, "source.kind"),
    ],
)
def test_a_wrong_field_is_named(value, field):
    with pytest.raises(UserError) as caught:
        Generate.from_json(value)
    assert caught.value.field == field


def test_whole_numbers_are_accepted_where_decimals_are_meant_and_the_other_way_round():
    request = Generate.from_json({"sampling": {"cfg_scale": 7, "steps": 20.0}})
    assert request.sampling.cfg_scale == 7.0
    assert isinstance(request.sampling.cfg_scale, float)
    assert isinstance(request.sampling.steps, int)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"source": {"kind": "masked"}}, "source.init"),
        ({"model": {"refiner": {}}}, "model.refiner.checkpoint"),
        ({"shape": {"windows": {"regions": [{}]}}}, "shape.windows.regions[0].left"),
        ({"sampling": {"cfg_scale": 10**400}}, "sampling.cfg_scale"),
        ({"sampling": {"cfg_scale": float("nan")}}, "sampling.cfg_scale"),
        ({"model": {"tiling": 1}}, "model.tiling"),
    ],
)
def test_what_is_missing_or_no_number_is_named(value, field):
    with pytest.raises(UserError) as caught:
        Generate.from_json(value)
    assert caught.value.field == field
