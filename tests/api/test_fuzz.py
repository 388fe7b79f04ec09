"""Whatever comes, the API answers with a reason and stays as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.api.models import Txt2Img

TEXTS = ("", "Euler a", "Karras", "tiny", "-1", "\ud800", "\0", "<lora:a:1>", "((((", "../../etc/passwd", "a\nSteps: 1e9, Sampler: x, CFG scale: nan, Seed: 5, Size: 0x0")  # noqa: E501  # fmt: skip
NUMBERS = (0, -1, 1, 7, 64, 512, 2**31, 2**63, 2**64, -(2**70), 0.5, -0.5, 1e18, 1e308, float("nan"), float("inf"))
leaves = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.text(max_size=20))
values = st.recursive(
    leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=8), one, max_size=3), max_leaves=6
)
KEYS = st.sampled_from(("CLIP_stop_at_last_layers", "sd_vae", "sd_model_checkpoint", "samples_format", "eta_ancestral"))
FIELDS = {"override_settings": st.dictionaries(KEYS, values, max_size=3), "infotext": st.sampled_from(TEXTS)}


@pytest.fixture(scope="module")
def full(serve_with: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with no room in its queue: what could be granted is answered with 503."""
    yield from serve_with(tmp_path_factory.mktemp("full"), 0)


def state_of(full: Any) -> str:
    folder: Path = full.engine.paths.data
    files = sorted(str(one) for one in folder.rglob("*"))
    return json.dumps([full.engine.settings.all(), full.queue.counts(), files])


def post(full: Any, path: str, body: Any) -> int:
    raw = json.dumps(body)
    reply = full.client.post(path, content=raw, headers={"content-type": "application/json"})
    assert json.loads(reply.content.decode("utf-8"))["errors"], "a refusal without a reason"
    return reply.status_code


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_txt2img_is_refused_with_a_reason_or_waits_its_turn(full: Any, data: Any) -> None:
    names = data.draw(st.lists(st.sampled_from([*Txt2Img.model_fields]), max_size=5, unique=True))
    body = {name: data.draw(FIELDS.get(name, st.nothing()) | values) for name in names}
    before = state_of(full)
    assert post(full, "/sdapi/v1/txt2img", body) in (422, 503)
    assert state_of(full) == before


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_job_is_refused_with_a_reason_or_waits_its_turn(full: Any, data: Any) -> None:
    groups = ("prompt", "shape", "seed", "sampling", "model", "source", "after", "overrides")
    inner = st.sampled_from(
        ("positive", "width", "batch_size", "seed", "steps", "sampler", "checkpoint", "kind", "save")
    )
    request = data.draw(st.dictionaries(st.sampled_from(groups), st.dictionaries(inner, values, max_size=3) | values))
    before = state_of(full)
    body = {"request": request, "id": data.draw(st.none() | st.sampled_from(TEXTS))}
    assert post(full, "/api/v1/jobs", body) in (422, 503)
    assert state_of(full) == before


@settings(max_examples=60, deadline=None, derandomize=True)
@given(body=values.filter(lambda one: one != {}))
def test_anything_but_a_body_is_refused(full: Any, body: Any) -> None:
    before = state_of(full)
    for path in ("/sdapi/v1/png-info", "/sdapi/v1/options", "/api/v1/jobs", "/internal/progress"):
        assert post(full, path, body) == 422
    assert state_of(full) == before
