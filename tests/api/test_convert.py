from __future__ import annotations

from typing import Any

import pydantic
import pytest

from modules.api.app import plain
from modules.api.convert import in_their_words, read_txt2img
from modules.api.limits import MAX_PICTURES, MAX_PIXELS
from modules.api.models import Txt2Img
from modules.core.errors import UserError
from modules.core.settings import Settings
from modules.processing.requests import Generate

NAMED = {"sampler_name": "Euler a", "scheduler": "Karras"}


def read(**fields: Any) -> tuple[Generate, list[str]]:
    with in_their_words():
        return read_txt2img(Txt2Img.model_validate({**NAMED, **fields}), Settings())


def test_a_clients_fields_reach_the_request() -> None:
    request, warnings = read(prompt="a cat", seed=7, subseed=9, subseed_strength=0.25, n_iter=3, width=640, s_churn=0.5)
    assert request.prompt.positive == "a cat"
    assert (request.seed.seed, request.seed.variation, request.seed.variation_strength) == (7, 9, 0.25)
    assert (request.shape.width, request.shape.height, request.shape.batch_count) == (640, 512, 3)
    assert (request.sampling.sampler, request.sampling.schedule) == ("Euler a", "Karras")
    assert (request.sampling.steps, request.sampling.cfg_scale) == (50, 7.0)
    assert request.sampling.churn is not None
    assert request.sampling.churn.s_churn == 0.5
    assert not request.after.save
    assert warnings == []
    assert Generate.from_json(request.to_json()) == request


def test_a_typo_is_told() -> None:
    assert "'sampler'" in read(sampler="Euler")[1][0]


def test_model_settings_for_one_call_become_the_models_choice() -> None:
    wish = {"sd_model_checkpoint": "m", "sd_vae": "v", "CLIP_stop_at_last_layers": 2}
    request, _ = read(override_settings=wish)
    assert (request.model.checkpoint, request.model.vae, request.model.clip_skip) == ("m", "v", 2)
    assert request.overrides == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("enable_hr", True), ("script_name", "no such script"), ("alwayson_scripts", {"ControlNet": {"args": []}}),
        ("restore_faces", True), ("firstpass_image", "iVBO"), ("n_iter", 101), ("sampler_name", "Eular"),
        ("width", 2**40), ("height", 9000),
    ],
)  # fmt: skip
def test_what_cannot_be_granted_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(UserError) as refused:
        read(**{field: value})
    assert refused.value.field == field


@pytest.mark.parametrize("key", ["no_such_setting", MAX_PIXELS.key, MAX_PICTURES.key])
def test_owners_and_unknown_settings_cannot_be_overridden(key: str) -> None:
    with pytest.raises(UserError, match=key):
        read(override_settings={key: 10**6})


def test_an_unknown_sampler_suggests() -> None:
    with pytest.raises(UserError, match="Did you mean"):
        read(sampler_name="Eular a")


@pytest.mark.parametrize("fields", [{"cfg_scale": float("nan")}, {"eta": float("inf")}, {"prompt": "\ud800"}])
def test_numbers_and_texts_that_json_cannot_carry_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Txt2Img.model_validate(fields)


def test_replies_are_valid_json_whatever_came_in() -> None:
    assert plain({"a": [float("nan"), "\ud800x"], "b": (1, None)}) == {"a": [None, "?x"], "b": [1, None]}
