"""Model files as upscalers: names, sizes, tiles, memory, and what is said of files that cannot be used."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.core.errors import ModelError, NotFoundError, UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.upscalers import Upscalers
from modules.processing.upscalers.load import load_network
from tests.processing.upscalers.tiny_nets import make_compact, make_rrdb, photo


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    models = tmp_path / "models"
    for folder in ("ESRGAN", "RealESRGAN/sub", "SwinIR"):
        (models / folder).mkdir(parents=True)
    save_file(make_rrdb("sequence"), models / "ESRGAN" / "4x-tiny.safetensors")
    save_file(make_rrdb(unshuffle=2), models / "RealESRGAN" / "sub" / "RealESRGAN_x2plus.safetensors")
    save_file(make_compact(scale=3), models / "RealESRGAN" / "small.safetensors")
    torch.save({"params_ema": make_compact(scale=2)}, models / "RealESRGAN" / "pickled.pth")
    save_file({"layers.0.norm.weight": torch.ones(3)}, models / "SwinIR" / "other.safetensors")
    return Paths(data=tmp_path, models=models)


@pytest.fixture
def upscalers(paths: Paths) -> Upscalers:
    return Upscalers(paths, Settings(values={"memory_mode": "fp32"}))


def test_files_are_found_by_stem_with_their_scale(upscalers: Upscalers) -> None:
    scales = {one.name: one.scale for one in upscalers.all()[3:]}
    assert scales == {"4x-tiny": 4, "other": None, "pickled": None, "RealESRGAN_x2plus": 2, "small": 3}
    assert list(scales) == sorted(scales, key=str.casefold)


def test_a_safetensors_file_is_taken_before_a_pickle(upscalers: Upscalers, paths: Paths) -> None:
    (paths.models / "ESRGAN" / "4x-tiny.pth").write_bytes(b"pickle")
    save_file(make_compact(), paths.models / "SwinIR" / "4x-tiny.safetensors")
    names = upscalers.names()
    assert {"4x-tiny", "SwinIR/4x-tiny"} <= set(names)
    assert len(names) == len({one.casefold() for one in names})
    assert upscalers.find("4X-Tiny").path == paths.models / "ESRGAN" / "4x-tiny.safetensors"


def test_new_files_are_seen_after_a_refresh(upscalers: Upscalers, paths: Paths) -> None:
    before = upscalers.names()
    save_file(make_compact(), paths.models / "ESRGAN" / "new.safetensors")
    assert upscalers.names() == before
    upscalers.refresh()
    assert set(upscalers.names()) - set(before) == {"new"}


def test_folders_of_the_command_line_are_looked_into(paths: Paths, tmp_path: Path) -> None:
    for kind in ("esrgan", "upscaler"):
        (tmp_path / kind).mkdir()
        save_file(make_compact(), tmp_path / kind / f"from-{kind}.safetensors")
    extra = {kind: tmp_path / kind for kind in ("esrgan", "upscaler")}
    names = Upscalers(Paths(data=tmp_path, models=paths.models, extra=extra), Settings()).names()
    assert {"from-esrgan", "from-upscaler", "4x-tiny"} <= set(names)


def test_names_of_a1111_lead_to_files(upscalers: Upscalers) -> None:
    assert upscalers.find("R-ESRGAN 2x+").name == "RealESRGAN_x2plus"
    with pytest.raises(NotFoundError, match=r"Put RealESRGAN_x4plus\.safetensors into .*ESRGAN"):
        upscalers.find("R-ESRGAN 4x+")
    with pytest.raises(NotFoundError, match="Did you mean small"):
        upscalers.find("smal")


@pytest.mark.parametrize("name", ["4x-tiny", "RealESRGAN_x2plus", "small"])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (24, 16), (40, 33)])
@pytest.mark.parametrize("wanted", [(8, 8), (48, 31), (97, 160)])
def test_the_size_is_exact(upscalers: Upscalers, name: str, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    grown = upscalers.find(name).upscale(Image.fromarray(photo(*size)), *wanted)
    assert (grown.size, grown.mode) == (wanted, "RGB")


def test_one_run_is_the_network_itself(upscalers: Upscalers, paths: Paths) -> None:
    pixels = photo(20, 12)
    path = paths.models / "RealESRGAN" / "small.safetensors"
    network = load_network(path, allow_pickle=False, dtype=torch.float32, device=torch.device("cpu"))
    wanted = np.rint(network.run(pixels)).astype(np.uint8)
    assert np.array_equal(np.asarray(upscalers.find("small").upscale(Image.fromarray(pixels), 60, 36)), wanted)


def test_settings_of_the_run_decide_the_tiles(upscalers: Upscalers, paths: Paths) -> None:
    calls: list[int] = []
    image = Image.fromarray(photo(64, 64))

    def runs(settings: Settings | None) -> int:
        calls.clear()
        upscalers.find("small", settings).upscale(image, 192, 192, check=lambda: calls.append(1))
        return len(calls)

    assert runs(None) == 2  # before the run, and its one tile
    assert runs(Settings(values={"ESRGAN_tile": 32, "ESRGAN_tile_overlap": 0})) == 1 + 4
    assert runs(Settings(values={"ESRGAN_tile": 16, "ESRGAN_tile_overlap": 8})) == 1 + 49
    assert runs(Settings(values={"ESRGAN_tile": 0, "DAT_tile": 16})) == 2


def test_tiles_of_a_network_equal_the_whole(upscalers: Upscalers) -> None:
    """`small` sees 4 pixels far, so an overlap of 16 hides every border."""
    image = Image.fromarray(photo(100, 70))
    tiled = Settings(values={"ESRGAN_tile": 48, "ESRGAN_tile_overlap": 16})
    whole = np.asarray(upscalers.find("small", Settings(values={"ESRGAN_tile": 0})).upscale(image, 300, 210))
    cut = np.asarray(upscalers.find("small", tiled).upscale(image, 300, 210))
    assert np.abs(whole.astype(int) - cut).max() <= 1


def test_tiles_that_overlap_by_more_than_half_are_refused(upscalers: Upscalers) -> None:
    settings = Settings(values={"ESRGAN_tile": 16, "ESRGAN_tile_overlap": 9})
    with pytest.raises(UserError, match="Use 8 or less") as told:
        upscalers.find("small", settings).upscale(Image.fromarray(photo(64, 64)), 128, 128)
    assert told.value.field == "ESRGAN_tile_overlap"


def test_one_network_is_kept_until_another_or_unload(upscalers: Upscalers) -> None:
    def use(name: str) -> weakref.ref[torch.nn.Module]:
        upscalers.find(name).upscale(Image.fromarray(photo(8, 8)), 16, 16)
        gc.collect()
        assert upscalers._kept is not None
        return weakref.ref(upscalers._kept[1].module)

    first, again = use("small"), use("small")
    assert first() is again() is not None
    second = use("4x-tiny")
    assert first() is None
    upscalers.unload()
    gc.collect()
    assert second() is None


def test_a_changed_file_is_read_again(upscalers: Upscalers, paths: Paths) -> None:
    image = Image.fromarray(photo(8, 8))
    before = upscalers.find("small").upscale(image, 24, 24)
    state = make_compact(scale=3, width=7)
    save_file(state, paths.models / "RealESRGAN" / "small.safetensors")
    assert upscalers.find("small").upscale(image, 24, 24).tobytes() != before.tobytes()


def test_pickles_need_permission(upscalers: Upscalers, paths: Paths) -> None:
    image = Image.fromarray(photo(8, 8))
    with pytest.raises(ModelError, match=r"pickled\.pth is a pickle file.*--allow-pickle"):
        upscalers.find("pickled").upscale(image, 16, 16)
    allowed = Upscalers(paths, Settings(values={"memory_mode": "fp32"}), allow_pickle=True)
    assert allowed.find("pickled").upscale(image, 16, 16).size == (16, 16)


def test_other_networks_name_the_package_that_reads_them(upscalers: Upscalers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ModelError, match=r"other\.safetensors is neither ESRGAN.*pip install spandrel"):
        upscalers.find("other").upscale(Image.fromarray(photo(8, 8)), 16, 16)


def test_a_file_that_went_away_is_told(upscalers: Upscalers, paths: Paths) -> None:
    found = upscalers.find("small")
    (paths.models / "RealESRGAN" / "small.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"small\.safetensors is gone"):
        found.upscale(Image.fromarray(photo(8, 8)), 16, 16)


def test_a_damaged_file_is_listed_and_told_when_used(upscalers: Upscalers, paths: Paths) -> None:
    (paths.models / "ESRGAN" / "web.safetensors").write_bytes(b"<!DOCTYPE html><html>" * 9)
    upscalers.refresh()
    with pytest.raises(ModelError, match="is a web page"):
        upscalers.find("web").upscale(Image.fromarray(photo(8, 8)), 16, 16)
