"""Networks that spandrel reads, where it is installed; and ours against its own of the same files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.core.errors import ModelError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.upscalers import Upscalers
from modules.processing.upscalers.load import load_network
from tests.processing.upscalers.tiny_nets import NAMINGS, State, make_compact, make_rrdb, photo

spandrel = pytest.importorskip("spandrel", reason="the optional package spandrel is not installed")


def same(state: State, folder: Path) -> None:
    save_file(state, folder / "net.safetensors")
    ours = load_network(folder / "net.safetensors", allow_pickle=False, dtype=torch.float32, device=torch.device("cpu"))
    theirs = spandrel.ModelLoader().load_from_state_dict(state)
    x = torch.from_numpy(photo(24, 16)).permute(2, 0, 1)[None].float() / 255
    assert ours.scale == theirs.scale
    with torch.inference_mode():
        assert torch.allclose(ours.call(x).clamp(0, 1), theirs(x), atol=1e-6)


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(("ups", "unshuffle"), [(0, 1), (1, 1), (2, 1), (2, 2), (2, 4), (3, 1)])
def test_rrdb_is_the_same(naming: str, ups: int, unshuffle: int, tmp_path: Path) -> None:
    if unshuffle > 1 and naming != "real-esrgan":
        pytest.skip("only Real-ESRGAN turns pixels into channels")
    same(make_rrdb(naming, growth=32, ups=ups, unshuffle=unshuffle), tmp_path)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_compact_is_the_same(scale: int, tmp_path: Path) -> None:
    same(make_compact(scale=scale), tmp_path)


def test_a_network_that_only_spandrel_knows_is_run(tmp_path: Path) -> None:
    from spandrel.architectures.SPAN import SPAN  # pyright: ignore[reportMissingImports]

    torch.manual_seed(1)
    (tmp_path / "models" / "ESRGAN").mkdir(parents=True)
    state = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2).state_dict()
    save_file({name: one.contiguous() for name, one in state.items()}, tmp_path / "models/ESRGAN/span.safetensors")
    upscalers = Upscalers(Paths(data=tmp_path, models=tmp_path / "models"), Settings(values={"memory_mode": "fp32"}))
    assert upscalers.find("span").upscale(Image.fromarray(photo(20, 30)), 39, 60).size == (39, 60)


def test_what_spandrel_does_not_know_is_told(tmp_path: Path) -> None:
    save_file({"something": torch.ones(3)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=r"x\.safetensors holds no network that spandrel knows"):
        load_network(tmp_path / "x.safetensors", allow_pickle=False, dtype=torch.float32, device=torch.device("cpu"))
