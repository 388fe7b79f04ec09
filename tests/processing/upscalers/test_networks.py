"""The networks against the same sums written a second time, in float64 and without torch's convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modules.core.errors import StageError
from modules.processing.upscalers.load import Network, load_network
from tests.processing.upscalers.tiny_nets import (
    NAMINGS,
    Pixels,
    State,
    compute_compact,
    compute_rrdb,
    make_compact,
    make_rrdb,
    photo,
)


def loaded(state: State, folder: Path, dtype: torch.dtype = torch.float32) -> Network:
    save_file(state, folder / "net.safetensors")
    return load_network(folder / "net.safetensors", allow_pickle=False, dtype=dtype, device=torch.device("cpu"))


def floats(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).double() / 255


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(("ups", "unshuffle"), [(2, 1), (1, 1), (0, 1), (2, 2), (2, 4)])
@torch.inference_mode()
def test_rrdb_computes_what_the_paper_draws(naming: str, ups: int, unshuffle: int, tmp_path: Path) -> None:
    state = make_rrdb(naming, ups=ups, unshuffle=unshuffle)
    x = floats(photo(12, 8))
    wanted = compute_rrdb(state, naming, x, blocks=2, ups=ups, unshuffle=unshuffle)
    got = loaded(state, tmp_path).call(x.float()[None])[0]
    assert got.shape == wanted.shape
    assert torch.allclose(got.double(), wanted, atol=1e-5), (got - wanted).abs().max()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@torch.inference_mode()
def test_compact_computes_what_it_should(scale: int, tmp_path: Path) -> None:
    state = make_compact(scale=scale)
    x = floats(photo(9, 7))
    wanted = compute_compact(state, x, convs=2, scale=scale)
    got = loaded(state, tmp_path).call(x.float()[None])[0]
    assert torch.allclose(got.double(), wanted, atol=1e-5), (got - wanted).abs().max()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5), (13, 9)])
@torch.inference_mode()
def test_sizes_that_are_no_multiples_are_padded_and_cut(size: tuple[int, int], tmp_path: Path) -> None:
    state = make_rrdb(unshuffle=4)
    x = floats(photo(*size))
    got = loaded(state, tmp_path).call(x.float()[None])[0]
    assert got.shape == x.shape
    across, down = -size[0] % 4, -size[1] % 4
    mode = "reflect" if across < size[0] and down < size[1] else "edge"
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, down), (0, across)), mode))
    wanted = compute_rrdb(state, "real-esrgan", padded, blocks=2, ups=2, unshuffle=4)[:, : size[1], : size[0]]
    assert torch.allclose(got.double(), wanted, atol=1e-5)


def test_run_gives_pixels_of_0_to_255(tmp_path: Path) -> None:
    state = make_compact(scale=2)
    pixels = photo(16, 10)
    got = loaded(state, tmp_path).run(pixels)
    wanted = compute_compact(state, floats(pixels), convs=2, scale=2).clamp(0, 1) * 255
    assert got.shape == (20, 32, 3)
    assert np.abs(got - wanted.permute(1, 2, 0).numpy()).max() < 1e-2


def test_what_fp16_cannot_hold_is_done_again_in_fp32(tmp_path: Path) -> None:
    """An RRDBNet whose inner values pass 65504 and come back to the picture's."""
    state = make_rrdb(blocks=1, ups=0)
    state["conv_first.weight"] *= 3e4
    state["conv_first.bias"] += 6e4
    state["conv_last.weight"] *= 1e-6
    pixels = photo(8, 8)
    whole = loaded(state, tmp_path).run(pixels)
    half = loaded(state, tmp_path, torch.float16)
    assert next(half.module.parameters()).dtype == torch.float16
    got = half.run(pixels)
    assert next(half.module.parameters()).dtype == torch.float32
    assert np.isfinite(got).all()
    assert got.shape == whole.shape


def test_a_damaged_network_is_told(tmp_path: Path) -> None:
    state = make_compact()
    state["body.0.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(StageError, match=r"net\.safetensors gave values that are not numbers"):
        loaded(state, tmp_path).run(photo(8, 8))
