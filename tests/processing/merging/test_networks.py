from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.merging.request import merge_request
from modules.processing.merging.run import merge
from tests.processing.models.tiny import make_tiny

Tensors = dict[str, torch.Tensor]
UNET = "unet/diffusion_pytorch_model.safetensors"
PATH = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
KOHYA = "lora_unet_" + PATH.replace(".", "_")
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


@pytest.fixture
def studio(tmp_path: Path) -> Engine:
    models = tmp_path / "models"
    make_tiny(models / "Stable-diffusion" / "tiny", seed=1)
    (models / "Lora").mkdir()
    return Engine(Paths(data=tmp_path, models=models), Settings(), hashing=False)


def put(studio: Engine, name: str, tensors: Tensors) -> None:
    save_file(tensors, studio.paths.models / "Lora" / f"{name}.safetensors")
    studio.networks.refresh()


def lora(name: str, out: int, into: int, *, rank: int = 2, alpha: float = 1.0, seed: int = 0) -> Tensors:
    made = torch.Generator().manual_seed(seed)
    return {
        f"{name}.lora_up.weight": torch.randn(out, rank, generator=made),
        f"{name}.lora_down.weight": torch.randn(rank, into, generator=made),
        f"{name}.alpha": torch.tensor(alpha),
    }


def product(tensors: Tensors, name: str) -> torch.Tensor:
    up, down = tensors[f"{name}.lora_up.weight"].float(), tensors[f"{name}.lora_down.weight"].float()
    scale = float(tensors[f"{name}.alpha"]) / down.shape[0]
    return (up.flatten(1) @ down.flatten(1) * scale).reshape(up.shape[0], *down.shape[1:])


def made(studio: Engine, **wish: Any) -> Path:
    return merge(studio, merge_request(wish)).path


def test_a_lora_goes_into_the_weights_of_a_folder(studio: Engine) -> None:
    tensors = lora(KOHYA, 32, 32) | lora(TEXT, 64, 32, seed=1)
    put(studio, "style", tensors)
    wish = {"name": "style", "weight": 0.5, "text_weight": -1}
    path = made(studio, primary="tiny", method="none", networks=[wish])
    before, after = (load_file(folder / UNET) for folder in (studio.catalog.find_checkpoint("tiny").path, path))
    torch.testing.assert_close(after[f"{PATH}.weight"], before[f"{PATH}.weight"] + 0.5 * product(tensors, KOHYA))
    assert all(torch.equal(before[name], after[name]) for name in before if name != f"{PATH}.weight")
    text = "text_encoder/model.safetensors"
    before, after = (load_file(folder / text) for folder in (studio.catalog.find_checkpoint("tiny").path, path))
    (name,) = [name for name in before if name.endswith("layers.0.mlp.fc1.weight")]
    torch.testing.assert_close(after[name], before[name] - product(tensors, TEXT))


def test_a_lora_for_one_third_of_a_stored_matrix_changes_that_third(studio: Engine) -> None:
    """OpenCLIP stores queries, keys and values in one."""
    stored = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
    tensors = {
        stored: torch.randn(3 * 1024, 1024),
        "model.diffusion_model.input_blocks.0.0.weight": torch.randn(320, 4, 3, 3),
    }
    save_file(tensors, studio.paths.models / "Stable-diffusion" / "two.safetensors")
    network = lora("lora_te_text_model_encoder_layers_0_self_attn_k_proj", 1024, 1024)
    put(studio, "keys", network)
    studio.catalog.refresh()
    found = load_file(made(studio, primary="two", method="none", networks=[{"name": "keys"}]))[stored]
    change = product(network, "lora_te_text_model_encoder_layers_0_self_attn_k_proj")
    torch.testing.assert_close(found[1024:2048], tensors[stored][1024:2048] + change)
    assert torch.equal(found[:1024], tensors[stored][:1024])
    assert torch.equal(found[2048:], tensors[stored][2048:])


def test_several_loras_become_one_exactly(studio: Engine) -> None:
    one, two = lora(KOHYA, 32, 32, rank=2), lora(KOHYA, 32, 32, rank=3, alpha=6, seed=1) | lora(TEXT, 64, 32, seed=2)
    put(studio, "one", one)
    put(studio, "two", two)
    networks = [{"name": "one", "weight": 0.7}, {"name": "two", "weight": -0.2}]
    path = made(studio, kind="networks", networks=networks, saving={"precision": "fp32"})
    found = load_file(path)
    assert path.parent == studio.paths.networks[0]
    torch.testing.assert_close(product(found, KOHYA), 0.7 * product(one, KOHYA) - 0.2 * product(two, KOHYA))
    torch.testing.assert_close(product(found, TEXT), -0.2 * product(two, TEXT))
    assert found[f"{KOHYA}.lora_down.weight"].shape[0] == 5
    assert studio.networks.find(path.stem).rank


def test_several_loras_become_the_nearest_of_a_rank(studio: Engine) -> None:
    one, two = lora(KOHYA, 32, 32, rank=4), lora(KOHYA, 32, 32, rank=4, seed=1)
    put(studio, "one", one)
    put(studio, "two", two)
    wish = {"networks": [{"name": "one"}, {"name": "two"}], "rank": 3, "saving": {"precision": "fp32"}}
    found = load_file(made(studio, kind="networks", **wish))
    whole = product(one, KOHYA) + product(two, KOHYA)
    best = torch.linalg.svdvals(whole)[3:].norm()  # Eckart and Young 1936
    assert found[f"{KOHYA}.lora_down.weight"].shape[0] == 3
    assert float((whole - product(found, KOHYA)).norm() / best) == pytest.approx(1, abs=1e-4)


def test_a_difference_of_low_rank_is_extracted_exactly(studio: Engine) -> None:
    root = studio.paths.models / "Stable-diffusion"
    tuned = make_tiny(root / "tuned", seed=1)
    weights = load_file(tuned / UNET)
    conv = "down_blocks.0.resnets.0.conv1"
    change = {
        PATH: torch.randn(32, 2) @ torch.randn(2, 32),
        conv: (torch.randn(32, 2) @ torch.randn(2, 32 * 9)).reshape(32, 32, 3, 3),
    }
    for path, value in change.items():
        weights[f"{path}.weight"] += value
    save_file(weights, tuned / UNET)
    studio.catalog.refresh()
    wish = {"kind": "extract", "tuned": "tuned", "base": "tiny", "rank": 2, "conv_rank": 2}
    path = made(studio, **wish, saving={"precision": "fp32"})
    found = load_file(path)
    names = {"lora_unet_" + one.replace(".", "_"): value for one, value in change.items()}
    assert {name.split(".")[0] for name in found} == set(names)
    for name, value in names.items():
        torch.testing.assert_close(product(found, name), value, rtol=1e-3, atol=1e-4)
    with safe_open(path, "pt") as file:
        assert file.metadata()["ss_network_dim"] == "2"
    back = made(studio, primary="tiny", method="none", networks=[{"name": path.stem}], saving={"name": "back"})
    torch.testing.assert_close(
        load_file(back / UNET)[f"{PATH}.weight"], weights[f"{PATH}.weight"], rtol=1e-3, atol=1e-3
    )


def test_equal_checkpoints_have_nothing_to_extract(studio: Engine) -> None:
    with pytest.raises(UserError, match="same weights"):
        made(studio, kind="extract", tuned="tiny", base="tiny")


@pytest.mark.parametrize(
    ("tensors", "wish", "message"),
    [
        (
            {
                "lora_unet_nowhere.lora_up.weight": torch.ones(4, 1),
                "lora_unet_nowhere.lora_down.weight": torch.ones(1, 4),
            },
            {"primary": "tiny", "method": "none", "networks": [{"name": "x"}]},
            "has no layer",
        ),
        (
            {f"{KOHYA}.weight": torch.ones(32), f"{KOHYA}.on_input": torch.tensor(True)},
            {"kind": "networks", "networks": [{"name": "x"}], "rank": 4},
            "in proportion",
        ),
        ({f"{KOHYA}.diff": torch.ones(32, 32)}, {"kind": "networks", "networks": [{"name": "x"}]}, "Give a rank"),
        (lora(KOHYA, 16, 32), {"primary": "tiny", "method": "none", "networks": [{"name": "x"}]}, "does not fit"),
    ],
)
def test_networks_that_cannot_be_merged_say_why(
    studio: Engine, tensors: Tensors, wish: dict[str, Any], message: str
) -> None:
    put(studio, "x", tensors)
    with pytest.raises(UserError, match=message):
        made(studio, **wish)
