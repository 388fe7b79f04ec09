"""What a file holds is found from names and shapes."""

from __future__ import annotations

import pytest

from modules.core.errors import ModelError
from modules.processing.upscalers.layout import CompactLayout, RrdbLayout, find_layout
from tests.processing.upscalers.tiny_nets import NAMINGS, State, make_compact, make_rrdb


def shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(one.shape) for name, one in state.items()}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(("ups", "unshuffle"), [(2, 1), (1, 1), (0, 1), (3, 1), (2, 2), (2, 4), (1, 2)])
@pytest.mark.parametrize("blocks", [1, 3, 12])
def test_rrdb_is_found_under_each_naming(naming: str, ups: int, unshuffle: int, blocks: int) -> None:
    state = make_rrdb(naming, width=4, growth=2, blocks=blocks, ups=ups, unshuffle=unshuffle)
    found = find_layout(shapes(state), "x")
    assert isinstance(found, RrdbLayout)
    assert (found.channels, found.growth, found.blocks, found.ups) == (4, 2, blocks, ups)
    assert found.scale == 2**ups / unshuffle
    assert sorted(found.names.values()) == sorted(state)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("convs", [0, 2, 16])
def test_compact_is_found(scale: int, convs: int) -> None:
    found = find_layout(shapes(make_compact(width=5, convs=convs, scale=scale)), "x")
    assert isinstance(found, CompactLayout)
    assert (found.channels, found.convs, found.scale) == (5, convs, scale)


@pytest.mark.parametrize("naming", NAMINGS)
def test_what_is_missing_is_named(naming: str) -> None:
    whole = make_rrdb(naming)
    for name in whole:
        without = {key: one for key, one in whole.items() if key != name}
        with pytest.raises(ModelError) as told:
            find_layout(shapes(without), "broken.safetensors")
        assert "broken.safetensors" in str(told.value)
        last = naming == "sequence" and name.startswith("model.10.")  # looks like one doubling fewer without its end
        assert last or name in str(told.value), (name, str(told.value))


def test_a_compact_file_cut_short_is_told() -> None:
    whole = make_compact()
    del whole["body.2.bias"]
    with pytest.raises(ModelError, match=r"lacks 1 of 11 tensors of SRVGGNetCompact: body\.2\.bias"):
        find_layout(shapes(whole), "x")


@pytest.mark.parametrize(
    "more", [{"body.0.rdb1.conv1x1.weight": (4, 8, 1, 1)}, {"mean": (1, 3, 1, 1)}], ids=["ESRGAN+", "another"]
)
def test_relatives_with_more_parts_are_left_to_others(more: dict[str, tuple[int, ...]]) -> None:
    assert find_layout({**shapes(make_rrdb()), **more}, "x") is None


def test_other_networks_are_not_taken() -> None:
    assert find_layout({}, "x") is None
    assert find_layout({"layers.0.residual_group.blocks.0.attn.qkv.weight": (180, 60)}, "x") is None
    assert find_layout({"body.0.weight": (8, 3, 3, 3), "body.1.running_mean": (8,)}, "x") is None


def test_networks_for_other_than_rgb_are_refused() -> None:
    state = shapes(make_rrdb())
    for name, shape in (("conv_last.weight", (1, 8, 3, 3)), ("conv_first.weight", (8, 4, 3, 3))):
        with pytest.raises(ModelError, match="not for RGB"):
            find_layout({**state, name: shape}, "x")
