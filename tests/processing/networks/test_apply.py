"""Networks change a model's weights exactly as they say, and leave it bit for bit as it was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from pathlib import Path

import pytest
import torch

from modules.core.errors import ModelError
from modules.core.paths import Paths
from modules.processing.memory import memory_modes
from modules.processing.models.catalog import ModelCatalog
from modules.processing.models.hashes import HashCache
from modules.processing.models.loader import LoadedModel, load_checkpoint
from modules.processing.networks.apply import apply_networks, remove_networks
from modules.processing.networks.files import NetworkFiles
from modules.processing.networks.names import kohya_name
from modules.processing.plan import NetworkPlan
from tests.processing.networks import conftest as examples

CPU = torch.device("cpu")


def load(models: Path, mode: str = "fp32") -> LoadedModel:
    catalog = ModelCatalog(Paths(data=models, models=models), HashCache(models / "cache", enabled=False))
    return load_checkpoint(catalog.find_checkpoint("tiny"), memory_modes.get(mode), CPU)


@pytest.fixture
def model(tiny_models_dir: Path) -> LoadedModel:
    return load(tiny_models_dir)


@pytest.fixture
def files(tmp_path: Path) -> NetworkFiles:
    paths = Paths(data=tmp_path, models=tmp_path, extra={"lora": tmp_path / "networks"})
    return NetworkFiles(paths, HashCache(tmp_path / "cache", enabled=False))


def weights_hash(model: LoadedModel) -> str:
    digest = hashlib.sha256()
    for module in model.modules:
        for name, one in module.state_dict().items():
            digest.update(name.encode() + one.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def weight(model: LoadedModel, path: str, part: str = "unet") -> torch.Tensor:
    module = model.unet if part == "unet" else model.text_encoders[0]
    return module.get_submodule(path).weight.detach().clone()


def test_a_lora_adds_its_product_times_its_multipliers(model: LoadedModel, files: NetworkFiles, make_network) -> None:
    tensors = examples.tensors_of("lora")
    make_network("one", tensors)
    unet, text = weight(model, examples.LINEAR), weight(model, examples.TEXT, "text")
    (report,) = apply_networks(model, [NetworkPlan(file=files.find("one"), unet=-0.5, te=2)])
    assert (report.matched, report.total, report.missed) == (3, 3, ())
    name = kohya_name("unet", examples.LINEAR)
    product = tensors[f"{name}.lora_up.weight"] @ tensors[f"{name}.lora_down.weight"] / 2
    torch.testing.assert_close(weight(model, examples.LINEAR), unet - 0.5 * product, rtol=0, atol=1e-6)
    name = kohya_name("text_encoder", examples.TEXT)
    product = tensors[f"{name}.lora_up.weight"] @ tensors[f"{name}.lora_down.weight"] / 2
    torch.testing.assert_close(weight(model, examples.TEXT, "text"), text + 2 * product, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["fp32", "bf16", "fp16"])
def test_200_random_changes_leave_no_trace(tiny_models_dir: Path, files: NetworkFiles, make_network, mode: str) -> None:
    model = load(tiny_models_dir, mode)
    for seed, kind in enumerate(examples.KINDS):
        make_network(kind, examples.tensors_of(kind, seed))
    plans = [NetworkPlan(file=one) for one in files.files()]
    before, dice = weights_hash(model), random.Random(5)
    seen = set()
    for _ in range(200):
        chosen = dice.sample(plans, dice.randint(0, len(plans)))
        chosen = [dataclasses.replace(one, unet=dice.choice([-1, 0, 0.3, 1]), te=dice.choice([0, 1])) for one in chosen]
        apply_networks(model, chosen)
        seen.add(weight(model, examples.LINEAR).sum().item())
    assert len(seen) > 50
    remove_networks(model)
    assert weights_hash(model) == before
    assert not model.networks.originals


@pytest.mark.parametrize("kind", examples.KINDS)
def test_every_kind_changes_the_model_and_0_does_not(
    model: LoadedModel, files: NetworkFiles, make_network, kind: str
) -> None:
    make_network("one", examples.tensors_of(kind))
    before = weights_hash(model)
    plan = NetworkPlan(file=files.find("one"))
    apply_networks(model, [plan])
    assert weights_hash(model) != before
    apply_networks(model, [dataclasses.replace(plan, unet=0, te=0)])
    assert weights_hash(model) == before


def test_the_order_in_the_prompt_does_not_matter_and_twice_is_the_sum(
    model: LoadedModel, files: NetworkFiles, make_network
) -> None:
    for seed in range(3):
        make_network(f"n{seed}", examples.tensors_of("lora", seed))
    plans = [NetworkPlan(file=files.find(f"n{seed}"), unet=0.7, te=0.3) for seed in range(3)]
    apply_networks(model, plans)
    first = weights_hash(model)
    apply_networks(model, plans[::-1])
    assert weights_hash(model) == first
    apply_networks(model, [plans[0], plans[0]])
    twice = weights_hash(model)
    apply_networks(model, [dataclasses.replace(plans[0], unet=1.4, te=0.6)])
    assert weights_hash(model) == twice


def test_the_same_set_again_touches_nothing(model: LoadedModel, files: NetworkFiles, make_network) -> None:
    make_network("one", examples.tensors_of("lora"))
    plan = NetworkPlan(file=files.find("one"))
    apply_networks(model, [plan])
    layer = model.unet.get_submodule(examples.LINEAR)
    place, text = layer.weight.data_ptr(), model.networks.text_key
    apply_networks(model, [dataclasses.replace(plan)])
    assert layer.weight.data_ptr() == place
    apply_networks(model, [dataclasses.replace(plan, te=0.5)])  # the U-Net's multiplier stays
    assert layer.weight.data_ptr() == place
    assert model.networks.text_key != text
    apply_networks(model, [dataclasses.replace(plan, unet=0.5)])
    assert model.networks.text_key == text


def test_half_precision_adds_in_fp32_and_rounds_once(tiny_models_dir: Path, files: NetworkFiles, make_network) -> None:
    for seed in range(2):
        make_network(f"n{seed}", examples.tensors_of("lora", seed))
    plans = [NetworkPlan(file=files.find(f"n{seed}")) for seed in range(2)]
    model, exact = load(tiny_models_dir, "bf16"), load(tiny_models_dir, "bf16")
    exact.unet.float()
    for one in (model, exact):
        apply_networks(one, plans)
    torch.testing.assert_close(
        weight(model, examples.LINEAR), weight(exact, examples.LINEAR).bfloat16(), rtol=0, atol=0
    )


def test_dyn_takes_the_first_ranks_at_the_scale_of_all(model: LoadedModel, files: NetworkFiles, make_network) -> None:
    tensors = examples.lora(examples.LINEAR, 32, 32, rank=8)
    make_network("one", tensors)
    before = weight(model, examples.LINEAR)
    apply_networks(model, [NetworkPlan(file=files.find("one"), dyn=3)])
    name = kohya_name("unet", examples.LINEAR)
    up, down = tensors[f"{name}.lora_up.weight"][:, :3], tensors[f"{name}.lora_down.weight"][:3]
    torch.testing.assert_close(weight(model, examples.LINEAR), before + up @ down / 2, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rs", [False, True])
def test_peft_metadata_give_the_scale(model: LoadedModel, files: NetworkFiles, make_network, rs: bool) -> None:
    up, down = examples.draw(32, 4), examples.draw(4, 32)
    tensors = {f"unet.{examples.LINEAR}.lora_A.weight": down, f"unet.{examples.LINEAR}.lora_B.weight": up}
    config = {"unet.r": 4, "unet.lora_alpha": 12, "unet.use_rslora": rs, "text_encoder.lora_alpha": 99}
    make_network("one", tensors, {"lora_adapter_metadata": json.dumps(config)})
    before = weight(model, examples.LINEAR)
    apply_networks(model, [NetworkPlan(file=files.find("one"))])
    scale = 12 / 4**0.5 if rs else 12 / 4
    torch.testing.assert_close(weight(model, examples.LINEAR), before + scale * up @ down, rtol=0, atol=1e-5)


def test_a_peft_folder_gives_the_scale_beside_the_file(model: LoadedModel, files: NetworkFiles, make_network) -> None:
    up, down = examples.draw(32, 4), examples.draw(4, 32)
    name = f"base_model.model.{examples.LINEAR}"
    path = make_network("adapter_model", {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up})
    pattern = {"attn1.to_q": 8}
    (path.parent / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 2, "alpha_pattern": pattern}))
    before = weight(model, examples.LINEAR)
    apply_networks(model, [NetworkPlan(file=files.find("adapter_model"))])
    torch.testing.assert_close(weight(model, examples.LINEAR), before + 2 * up @ down, rtol=0, atol=1e-5)


def test_a_file_that_cannot_be_read_leaves_the_model_as_it_was(
    model: LoadedModel, files: NetworkFiles, make_network
) -> None:
    before = weights_hash(model)
    make_network("one", examples.tensors_of("lora"))
    path = make_network("two", examples.tensors_of("full"))
    plans = [NetworkPlan(file=one) for one in files.files()]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match="two"):
        apply_networks(model, plans)
    assert weights_hash(model) == before
    apply_networks(model, plans[:1])
    assert weights_hash(model) != before


def test_modules_that_find_no_layer_are_told(model: LoadedModel, files: NetworkFiles, make_network) -> None:
    wrong = {**examples.lora(examples.CROSS, 32, 77), **examples.lora("mid_block.resnets.9.conv1", 64, 64)}
    make_network("one", {**examples.tensors_of("full"), **wrong, "stray": torch.zeros(1)})
    (report,) = apply_networks(model, [NetworkPlan(file=files.find("one"))])
    assert (report.matched, report.total) == (1, 4)
    assert set(report.missed) == {kohya_name("unet", examples.CROSS), "lora_unet_mid_block_resnets_9_conv1", "stray"}
