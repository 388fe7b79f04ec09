"""Prompts name networks; what does not fit is told before a picture is begun."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import NotFoundError, UserError
from modules.processing.engine import Engine
from modules.processing.plan import Plan
from modules.processing.requests import Generate, Hires, ModelChoice, Prompt, Refiner
from tests.processing.networks import conftest as examples


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    engine.paths.extra["lora"] = tmp_path / "networks"
    return engine


def plan(engine: Engine, prompt: str, **parts: Any) -> Plan:
    return engine.resolve(Generate(prompt=Prompt(positive=prompt), **parts))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<lora:one>", (1.0, 1.0, None)),
        ("<lora:one:0.8>", (0.8, 0.8, None)),
        ("<lora:one:0.8:-0.4>", (0.8, -0.4, None)),
        ("<lora:one:te=0:unet=1>", (0.0, 1.0, None)),
        ("<lora:one:0.5:unet=2>", (0.5, 2.0, None)),
        ("<lora:one:1:1:dyn=2>", (1.0, 1.0, 2)),
        ("<lora:one:1:1:3>", (1.0, 1.0, 3)),
        ("<lyco:one:0.3>", (0.3, 0.3, None)),
    ],
)
def test_multipliers_are_read_as_in_a1111(engine: Engine, make_network, written: str, expected: tuple) -> None:
    make_network("one", examples.tensors_of("lora"))
    made = plan(engine, f"a cat {written} on a mat")
    (network,) = made.networks
    assert (network.te, network.unet, network.dyn) == expected
    assert (network.file.name, network.matched, network.total) == ("one", 3, 3)
    assert made.pictures[0].text == "a cat  on a mat"
    assert written in made.pictures[0].prompt
    assert made.notes == ()


@pytest.mark.parametrize("written", ["<lora:one:x>", "<lora:one:nan>", "<lora:one:unet=1e9>"])
def test_a_multiplier_that_is_no_number_is_refused(engine: Engine, make_network, written: str) -> None:
    make_network("one", examples.tensors_of("lora"))
    with pytest.raises(UserError, match="number") as raised:
        plan(engine, written)
    assert raised.value.field == "prompt"


def test_an_unknown_name_suggests_near_ones(engine: Engine, make_network) -> None:
    make_network("watercolour", examples.tensors_of("lora"))
    with pytest.raises(NotFoundError, match="watercolour"):
        plan(engine, "<lora:watercolor:1>")


def test_a_network_of_another_family_is_refused_with_what_it_was_made_for(engine: Engine, make_network) -> None:
    wide = examples.lora("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 640, 2048)
    make_network("wide", wide, {"ss_sd_model_name": "dreams-xl"})
    with pytest.raises(UserError, match=r"made for SDXL and trained on dreams-xl, but tiny is SD 1\.") as raised:
        plan(engine, "<lora:wide:1>")
    assert raised.value.field == "prompt"


def test_a_network_that_fits_nowhere_is_refused(engine: Engine, make_network) -> None:
    make_network("other", examples.lora("down_blocks.0.resnets.0.conv1", 77, 77))
    with pytest.raises(UserError, match="none of its parts fits"):
        plan(engine, "<lora:other:1>")


def test_a_network_that_fits_in_part_says_so(engine: Engine, make_network) -> None:
    make_network("one", {**examples.tensors_of("lora"), **examples.lora("up_blocks.0.resnets.0.conv1", 7, 7)})
    made = plan(engine, "<lora:one:1>")
    (note,) = made.notes
    assert "Only 3 of 4 parts" in note
    assert "lora_unet_up_blocks_0_resnets_0_conv1" in note


def test_what_is_left_out_is_told(engine: Engine, make_network) -> None:
    make_network("one", examples.tensors_of("lora"))
    made = plan(engine, "<hypernet:h:1> <sketch:s> <lora:one:1:lbw=MIDD>")
    assert len(made.networks) == 1
    hypernet, sketch, blocks = made.notes
    assert "hypernet" in hypernet
    assert "sketch" in sketch
    assert "lbw is not understood" in blocks


def test_networks_can_be_switched_off(engine: Engine) -> None:
    made = plan(engine, "a cat <lora:gone:1>", model=ModelChoice(networks=False))
    assert made.networks == ()
    assert made.pictures[0].text == "a cat "


def test_a_setting_adds_a_network_unless_the_prompt_names_it(engine: Engine, make_network) -> None:
    make_network("one", examples.tensors_of("lora"))
    overrides = {"sd_lora": "one", "extra_networks_default_multiplier": 0.5}
    made = plan(engine, "a cat", overrides=overrides)
    assert [(one.file.name, one.unet) for one in made.networks] == [("one", 0.5)]
    assert made.request.prompt.positive == "a cat<lora:one:0.5>"
    again = engine.resolve(made.request)
    assert again.networks == made.networks


def test_the_hires_prompt_has_networks_of_its_own(engine: Engine, make_network) -> None:
    for name in ("one", "two"):
        make_network(name, examples.tensors_of("lora"))
    request = Generate(prompt=Prompt(positive="<lora:one:1>"))
    hires = Hires(second=dataclasses.replace(Hires().second, positive="<lora:two:1>"))
    for wish, names in ((hires, ["two"]), (Hires(), ["one"])):
        made = engine.resolve(dataclasses.replace(request, after=dataclasses.replace(request.after, hires=wish)))
        assert made.hires is not None
        assert [one.file.name for one in made.networks] == ["one"]
        assert [one.file.name for one in made.hires.second.networks] == names


def test_the_refiner_takes_none_and_says_so(engine: Engine, make_network) -> None:
    make_network("one", examples.tensors_of("lora"))
    made = plan(engine, "<lora:one:1>", model=ModelChoice(refiner=Refiner(checkpoint="tiny-v")))
    assert any("refiner takes no networks" in note for note in made.notes)


def test_resolving_opens_no_weights(engine: Engine, make_network) -> None:
    path = make_network("one", examples.tensors_of("lora"))
    data = bytearray(path.read_bytes())
    data[-8:] = b"\xff" * 8
    path.write_bytes(data)
    assert plan(engine, "<lora:one:1>").networks[0].matched == 3


def test_dyn_asks_for_a_kind_with_ranks(engine: Engine, make_network) -> None:
    make_network("one", examples.tensors_of("full"))
    with pytest.raises(UserError, match="ranks"):
        plan(engine, "<lora:one:1:1:dyn=4>")
