"""Face restorers: they exist with their weights, say what is missing, and blend by visibility."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modules.core.errors import ModelError, NotFoundError, UserError
from modules.core.paths import Paths
from modules.processing.faces import KINDS, SIDE, Faces, Restorer
from tests.processing.upscalers.tiny_nets import make_compact, photo


@pytest.fixture
def faces(tmp_path: Path) -> Faces:
    for folder in ("GFPGAN", "Codeformer"):
        (tmp_path / folder).mkdir()
    return Faces(Paths(data=tmp_path, models=tmp_path))


def negative(x: torch.Tensor, weight: float) -> torch.Tensor:
    assert x.shape == (1, 3, SIDE, SIDE)
    return -x


FACE = Restorer(name="GFPGAN", path=Path("x"), draw=lambda: negative)


def test_without_weights_there_is_none_and_the_error_says_what_to_do(faces: Faces) -> None:
    assert faces.names() == []
    with pytest.raises(UserError, match=r"GFPGAN needs its weights, GFPGANv1\.4\.safetensors.*/GFPGAN"):
        faces.find("gfpgan")
    with pytest.raises(UserError, match=r"codeformer-v0\.1\.0\.safetensors.*/Codeformer"):
        faces.find("CodeFormer")
    with pytest.raises(NotFoundError, match="There are: CodeFormer, GFPGAN"):
        faces.find("RestoreFormer")


def test_the_newest_weights_are_taken_and_safetensors_first(faces: Faces) -> None:
    folder = faces.paths.models / "GFPGAN"
    for name in ("GFPGANv1.4.pth", "GFPGANv1.3.safetensors", "GFPGANv1.2.safetensors", "detection_Resnet50_Final.pth"):
        (folder / name).touch()
    assert faces.names() == ["GFPGAN"]
    assert faces.find("GFPGAN").path.name == "GFPGANv1.3.safetensors"


@pytest.mark.parametrize("name", KINDS)
def test_packages_that_are_missing_are_named(name: str, faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    save_file({"x": torch.ones(1)}, KINDS[name].folders(faces.paths)[0] / f"{name}.safetensors")
    with pytest.raises(ModelError, match="pip install spandrel"):
        faces.find(name).restore(Image.fromarray(photo(64, 64)), 1, 0.5)


def test_pictures_with_more_than_a_face_are_refused(faces: Faces) -> None:
    with pytest.raises(UserError, match=r"640x480.*no face detector"):
        FACE.restore(Image.new("RGB", (640, 480)), 1, 0.5)


@pytest.mark.parametrize("visibility", [0.0, 0.25, 1.0])
def test_visibility_blends_the_old_face_with_the_new(visibility: float) -> None:
    pixels = photo(SIDE, SIDE).astype(float)
    made = np.asarray(FACE.restore(Image.fromarray(photo(SIDE, SIDE)), visibility, 0.5))
    wanted = pixels * (1 - visibility) + (255 - pixels) * visibility
    assert np.abs(made - wanted).max() <= 1


def test_other_squares_keep_their_size_and_transparency() -> None:
    image = Image.fromarray(photo(100, 100))
    image.putalpha(Image.fromarray(photo(100, 100)[..., 2]))
    made = FACE.restore(image, 0.5, 0.5)
    assert (made.size, made.mode) == ((100, 100), "RGBA")
    assert made.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_network_is_refused(name: str, faces: Faces) -> None:
    pytest.importorskip("spandrel", reason="the optional package spandrel is not installed")
    pytest.importorskip("spandrel_extra_arches", reason="the optional package spandrel_extra_arches is not installed")
    folder = KINDS[name].folders(faces.paths)[0]
    save_file(make_compact(), folder / f"{name}.safetensors")
    with pytest.raises(ModelError, match=f"not {name}"):
        faces.find(name).restore(Image.fromarray(photo(64, 64)), 1, 0.5)


@pytest.mark.parametrize("name", KINDS)
def test_a_network_of_spandrel_is_run(name: str, faces: Faces) -> None:
    """Random weights: the picture means nothing, but it has come through the network."""
    spandrel = pytest.importorskip("spandrel", reason="the optional package spandrel is not installed")
    if name == "CodeFormer":
        extra = pytest.importorskip("spandrel_extra_arches", reason="spandrel_extra_arches is not installed")
        module = extra.architectures.CodeFormer.CodeFormer()
    else:
        module = spandrel.architectures.GFPGAN.GFPGAN(
            out_size=512, channel_multiplier=2, fix_decoder=False, input_is_latent=True, different_w=True, sft_half=True
        )
    state = {key: one.contiguous() for key, one in module.state_dict().items()}
    save_file(state, KINDS[name].folders(faces.paths)[0] / f"{name}.safetensors")
    image = Image.fromarray(photo(96, 96))
    made = faces.find(name).restore(image, 1, 0.5)
    assert made.size == (96, 96)
    assert made.tobytes() != image.tobytes()
    faces.unload()
