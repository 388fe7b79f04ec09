"""Merges asked for at /api/v1/jobs, through a real server: the result paints."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

JOBS = "/api/v1/jobs"


def test_a_merged_checkpoint_paints(served: Any, until: Any) -> None:
    request = {"primary": "tiny", "secondary": "other", "multiplier": 0.5, "saving": {"name": "half"}}
    answer = served.client.post(JOBS, json={"kind": "merge", "request": request})
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    job = until(lambda: served.client.get(f"{JOBS}/{id}").json(), lambda one: one["finished"], "no end")
    folder = served.engine.catalog.find_checkpoint("half").path
    try:
        assert job["result"]["file"] == "half"
        assert "path" not in str(job["result"])
        told = {"prompt": "x", "steps": 1, "width": 64, "height": 64, "seed": 1}
        pictures = [
            served.client.post(
                "/sdapi/v1/txt2img", json={**told, "override_settings": {"sd_model_checkpoint": name}}
            ).json()["images"][0]
            for name in ("tiny", "half")
        ]
        assert pictures[0] != pictures[1]
    finally:
        shutil.rmtree(folder)
        served.engine.catalog.refresh()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"primary": "tiny", "secondary": "nowhere"}, "secondary"),
        ({"primary": "tiny", "secondary": "other", "multiplier": 5}, "multiplier"),
        ({"primary": "tiny", "secondary": "other", "saving": {"name": "../../x"}}, "saving.name"),
        ({"primary": "tiny", "method": "none", "networks": [{"name": "nothing"}]}, "networks[0].name"),
        ({"kind": "networks", "networks": [{"name": "x", "weight": "much"}]}, "networks[0].weight"),
    ],
)
def test_what_cannot_be_merged_is_422_and_names_the_field(served: Any, request_: dict[str, Any], field: str) -> None:
    answer = served.client.post(JOBS, json={"kind": "merge", "request": request_})
    assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text
