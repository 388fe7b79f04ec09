from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.gradio_ui.merge_request import control_of, merge_request_of
from modules.processing.merging.request import ExtractNetwork, MergeCheckpoints, MergeNetworks, WeighedNetwork


def test_checkpoints_with_networks_of_the_prompt_language() -> None:
    values = {"primary": "a", "method": "none", "networks": "<lora:x:0.5> <lora:y:0.2:0.8>", "vae": "None"}
    found = merge_request_of(values)
    assert isinstance(found, MergeCheckpoints)
    assert found.networks == (
        WeighedNetwork(name="x", weight=0.5, text_weight=0.5),
        WeighedNetwork(name="y", weight=0.8, text_weight=0.2),
    )
    assert found.vae == ""


def test_names_alone_are_networks_too() -> None:
    found = merge_request_of({"mode": "networks", "several": "<lora:x:unet=0.5>\nstyle of y\n", "rank": 8})
    assert isinstance(found, MergeNetworks)
    assert [(one.name, one.weight) for one in found.networks] == [("x", 0.5), ("style of y", 1.0)]
    assert found.rank == 8


def test_an_emptied_rank_takes_its_default() -> None:
    found = merge_request_of({"mode": "extract", "tuned": "a", "base": "b", "extract_rank": None})
    assert isinstance(found, ExtractNetwork)
    assert found.rank == 32


@pytest.mark.parametrize(
    ("values", "control"),
    [
        ({"primary": "a"}, "modelmerger_secondary_model_name"),
        ({"primary": "a", "method": "none", "networks": "<lora:x:much>"}, "modelmerger_networks"),
        ({"primary": "a", "secondary": "b", "extra": "[1]"}, "modelmerger_metadata_json"),
        ({"mode": "networks"}, "modelmerger_networks"),
    ],
)
def test_a_wrong_value_names_its_control(values: dict[str, object], control: str) -> None:
    with pytest.raises(UserError) as caught:
        merge_request_of(values)
    assert control_of(caught.value.field) == control
