from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.merging.request import merge_request
from modules.processing.merging.run import merge
from modules.processing.progress import Control, Interrupted
from tests.processing.models.tiny import make_tiny

Tensors = dict[str, torch.Tensor]
CONV = "model.diffusion_model.input_blocks.0.0.weight"
CROSS = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
TEXT = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"


def weights(seed: int, channels: int = 4) -> Tensors:
    """A file that is told to be Stable Diffusion 1 by its names; small."""
    made = torch.Generator().manual_seed(seed)
    shapes = {
        CONV: (8, channels, 3, 3),
        CROSS: (8, 768),
        TEXT: (6, 4),
        "first_stage_model.decoder.conv_in.weight": (4, 4),
    }
    tensors = {name: torch.randn(shape, generator=made) for name, shape in shapes.items()}
    return tensors | {"model_ema.decay": torch.tensor(0.9), TEXT.replace("mlp.fc1.weight", "ids"): torch.arange(5)}


@pytest.fixture
def studio(tmp_path: Path) -> Engine:
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    return Engine(Paths(data=tmp_path, models=tmp_path / "models"), Settings(), hashing=False)


@pytest.fixture
def put(studio: Engine) -> Callable[..., Tensors]:
    def put(name: str, tensors: Tensors, metadata: dict[str, str] | None = None) -> Tensors:
        save_file(tensors, studio.paths.models / "Stable-diffusion" / f"{name}.safetensors", metadata)
        studio.catalog.refresh()
        return tensors

    return put


def merged(studio: Engine, **wish: object) -> tuple[Tensors, Path]:
    path = merge(studio, merge_request(wish)).path  # type: ignore[arg-type]
    return load_file(path), path


def test_weighted_sum_is_the_formula(studio: Engine, put: Callable[..., Tensors]) -> None:
    a, b = put("a", weights(1)), put("b", weights(2))
    found, path = merged(studio, primary="a", secondary="b", multiplier=0.3)
    assert path.name == "0.7(a) + 0.3(b).safetensors"
    for name in (CONV, CROSS, TEXT):
        torch.testing.assert_close(found[name], 0.7 * a[name] + 0.3 * b[name])
    assert "model_ema.decay" not in found
    assert torch.equal(found[TEXT.replace("mlp.fc1.weight", "ids")], torch.arange(5))


def test_add_difference_is_the_formula(studio: Engine, put: Callable[..., Tensors]) -> None:
    a, b, c = (put(name, weights(index)) for index, name in enumerate("abc"))
    wish = {"primary": "a", "secondary": "b", "tertiary": "c", "method": "add_difference", "multiplier": 1}
    found, path = merged(studio, **wish)
    assert path.stem == "a + 1(b - c)"
    torch.testing.assert_close(found[CROSS], a[CROSS] + b[CROSS] - c[CROSS])


def test_multiplier_0_is_a_and_1_is_b_bit_for_bit(studio: Engine, put: Callable[..., Tensors]) -> None:
    a, b = put("a", weights(1)), put("b", weights(2))
    assert torch.equal(merged(studio, primary="a", secondary="b", multiplier=0)[0][CROSS], a[CROSS])
    assert torch.equal(merged(studio, primary="a", secondary="b", multiplier=1)[0][CROSS], b[CROSS])


def test_half_precision_is_rounded_once_after_the_sum(studio: Engine, put: Callable[..., Tensors]) -> None:
    a, b = put("a", weights(1)), put("b", weights(2))
    saving = {"precision": "fp16", "name": "half"}
    found, path = merged(studio, primary="a", secondary="b", multiplier=0.5, saving=saving)
    assert path.name == "half.safetensors"
    assert torch.equal(found[CROSS], (0.5 * a[CROSS] + 0.5 * b[CROSS]).half())


def test_the_four_first_channels_of_an_inpainting_model_are_merged(studio: Engine, put: Callable[..., Tensors]) -> None:
    a, b = put("a", weights(1, channels=9)), put("b", weights(2))
    found, path = merged(studio, primary="a", secondary="b", multiplier=0.5)
    torch.testing.assert_close(found[CONV][:, :4], 0.5 * a[CONV][:, :4] + 0.5 * b[CONV])
    assert torch.equal(found[CONV][:, 4:], a[CONV][:, 4:])
    assert path.stem.endswith(".inpainting")
    with pytest.raises(UserError, match="must be the primary one"):
        merged(studio, primary="b", secondary="a")


def test_a_vae_is_baked_in_and_names_are_discarded(studio: Engine, put: Callable[..., Tensors]) -> None:
    put("a", weights(1))
    folder = studio.paths.models / "VAE"
    folder.mkdir()
    vae = {"decoder.conv_in.weight": torch.full((4, 4), 7.0), "encoder.conv_in.weight": torch.ones(2)}
    save_file(vae, folder / "seven.safetensors")
    studio.catalog.refresh()
    found, _ = merged(studio, primary="a", method="none", vae="seven", discard="^cond_stage")
    assert torch.equal(found["first_stage_model.decoder.conv_in.weight"], vae["decoder.conv_in.weight"])
    assert "first_stage_model.encoder.conv_in.weight" in found
    assert not [name for name in found if name.startswith("cond_stage")]


def test_the_recipe_travels_with_the_file(studio: Engine, put: Callable[..., Tensors]) -> None:
    put("a", weights(1), {"note": "of a", "modelspec.author": "ada"})
    put("b", weights(2), {"note": "of b"})
    _, first = merged(studio, primary="a", secondary="b", saving={"name": "one", "extra": {"note": "mine"}})
    from safetensors import safe_open

    with safe_open(first, "pt") as file:
        told = file.metadata()
    assert told["note"] == "mine"
    assert told["modelspec.author"] == "ada"
    assert json.loads(told["sd_merge_recipe"])["interp_method"] == "Weighted sum"
    _, second = merged(studio, primary="one", secondary="b", saving={"name": "two"})
    with safe_open(second, "pt") as file:
        models = json.loads(file.metadata()["sd_merge_models"])
    assert {one["name"] for one in models.values()} == {"a.safetensors", "b.safetensors", "one.safetensors"}


def test_nothing_is_overwritten_and_the_yaml_comes_along(studio: Engine, put: Callable[..., Tensors]) -> None:
    put("a", weights(1))
    put("b", weights(2))
    beside = studio.paths.models / "Stable-diffusion" / "b.yaml"
    beside.write_text("parameterization: v")
    wish = {"primary": "a", "secondary": "b", "saving": {"name": "x"}}
    paths = [merged(studio, **wish)[1] for _ in range(2)]
    assert [one.name for one in paths] == ["x.safetensors", "x (2).safetensors"]
    assert paths[0].with_suffix(".yaml").read_text() == "parameterization: v"
    assert studio.catalog.find_checkpoint("x").prediction == "v_prediction"


def test_a_stop_leaves_nothing_behind(studio: Engine, put: Callable[..., Tensors]) -> None:
    put("a", weights(1))
    put("b", weights(2))
    before = sorted(studio.paths.models.rglob("*"))
    control = Control()
    control.interrupt()
    with pytest.raises(Interrupted):
        merge(studio, merge_request({"primary": "a", "secondary": "b"}), control=control)  # type: ignore[arg-type]
    assert sorted(studio.paths.models.rglob("*")) == before


def test_folders_of_their_own_architecture_become_a_folder(studio: Engine) -> None:
    root = studio.paths.models / "Stable-diffusion"
    a, b = make_tiny(root / "one", seed=1), make_tiny(root / "two", seed=2)
    studio.catalog.refresh()
    made = merge(studio, merge_request({"primary": "one", "secondary": "two", "multiplier": 0.25}))  # type: ignore[arg-type]
    assert "block_out_channels" in made.notes[0]
    name = "unet/diffusion_pytorch_model.safetensors"
    first, second, found = (load_file(folder / name) for folder in (a, b, made.path))
    torch.testing.assert_close(
        found["conv_in.weight"], 0.75 * first["conv_in.weight"] + 0.25 * second["conv_in.weight"]
    )
    assert not studio.catalog.find_checkpoint(made.path.name).broken
    assert (made.path / "tokenizer" / "vocab.json").is_file()


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"primary": "a"}, "secondary"),
        ({"primary": "a", "secondary": "b", "method": "add_difference"}, "tertiary"),
        ({"primary": "a", "secondary": "b", "multiplier": 9}, "multiplier"),
        ({"primary": "a", "method": "none"}, "method"),
        ({"primary": "a", "secondary": "b", "discard": "("}, "discard"),
        ({"primary": "a", "secondary": "b", "saving": {"name": "../x"}}, "saving.name"),
        ({"kind": "soup"}, "kind"),
    ],
)
def test_wishes_that_cannot_be_granted_name_their_field(wish: dict[str, object], field: str) -> None:
    with pytest.raises(UserError) as caught:
        merge_request(wish)
    assert caught.value.field == field


def test_families_are_not_mixed(studio: Engine, put: Callable[..., Tensors]) -> None:
    put("a", weights(1))
    put("x", {**weights(2), "conditioner.embedders.1.model.ln_final.weight": torch.ones(2)})
    with pytest.raises(UserError, match=r"x\.safetensors is Stable Diffusion XL"):
        merged(studio, primary="a", secondary="x")


MEASURE = """
import resource, sys
from pathlib import Path
import torch
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.merging.request import merge_request
from modules.processing.merging.run import merge
studio = Engine(Paths(data=Path(sys.argv[1]), models=Path(sys.argv[1]) / "models"), Settings(), hashing=False)
request = merge_request({"primary": "a", "secondary": "b", "saving": {"name": "out"}})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
merge(studio, request)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from the system's own count")
def test_memory_holds_a_few_tensors_and_not_the_file(studio: Engine, put: Callable[..., Tensors]) -> None:
    many = {f"model.diffusion_model.extra.{index}": torch.zeros(1 << 20) for index in range(48)}  # 4 MB each
    put("a", weights(1) | many)
    put("b", weights(2) | many)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(studio.paths.data)], capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) * 1024 < 64 << 20, f"{ran.stdout} kB for a result of 192 MB"
