from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.core.errors import ModelError
from modules.processing.memory import memory_modes
from modules.processing.models.catalog import ModelFile
from modules.processing.models.loader import LoadedModel, alphas_cumprod, load_checkpoint, load_vae
from tests.processing.models import tiny

CPU = torch.device("cpu")


def _load(path: Path, family: str, mode: str = "fp32") -> LoadedModel:
    file = ModelFile(kind="checkpoint", path=path, name=path.name, family=family, prediction="epsilon")
    return load_checkpoint(file, memory_modes.get(mode), CPU)


def _outputs(model: LoadedModel) -> list[torch.Tensor]:
    """One step of everything: texts, network, decoder."""
    ids = torch.tensor([[tiny.BOS, 3, 4] + [tiny.EOS] * 74])
    states = [part(ids, output_hidden_states=True) for part in model.text_encoders]
    cross = torch.cat([one.hidden_states[-1] for one in states], dim=-1)
    added = None
    if model.family.size_conditions != "none":
        count = 5 if model.family.size_conditions == "refiner" else 6
        added = {"text_embeds": states[-1].text_embeds, "time_ids": torch.ones(1, count)}
    x = torch.linspace(-1, 1, 256).view(1, 4, 8, 8)
    step = model.unet(x, 500, encoder_hidden_states=cross, added_cond_kwargs=added).sample
    return [cross, step, model.vae.decode(x).sample]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "sdxl_refiner"])
@torch.no_grad()
def test_a_single_file_equals_its_diffusers_folder_bit_for_bit(tmp_path: Path, family: str) -> None:
    folder = tiny.make_tiny(tmp_path / "m", family)
    single = tiny.save_single_file(folder, tmp_path / "m.safetensors", family)
    first = _outputs(_load(folder, family))
    second = _outputs(_load(single, f"tiny_{family}"))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert float(first[1].std()) > 0


def test_each_part_has_the_precision_of_the_mode(tmp_path: Path) -> None:
    model = _load(tiny.make_tiny_sd1(tmp_path / "m"), "sd1", "fp16")
    found = [next(one.parameters()).dtype for one in model.modules]
    assert found == [torch.float16, torch.float32, torch.float32]


def test_missing_tensors_are_counted_and_named(tmp_path: Path) -> None:
    single = tiny.save_single_file(tiny.make_tiny_sd1(tmp_path / "m"), tmp_path / "m.safetensors", "sd1")
    tensors = load_file(single)
    for name in [name for name in tensors if ".middle_block.1." in name]:
        del tensors[name]
    save_file(tensors, single)
    with pytest.raises(ModelError, match=r"m\.safetensors lacks \d+ of .*middle_block\.1\."):
        _load(single, "tiny_sd1")


def test_a_wrong_family_is_told_by_the_shape(tmp_path: Path) -> None:
    single = tiny.save_single_file(tiny.make_tiny_sd1(tmp_path / "m"), tmp_path / "m.safetensors", "sd1")
    with pytest.raises(ModelError, match=r"m\.safetensors"):
        _load(single, "sd1")


def test_a_cut_folder_part_is_told(tmp_path: Path) -> None:
    folder = tiny.make_tiny_sd1(tmp_path / "m")
    weights = next((folder / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cut off"):
        _load(folder, "sd1")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelError, match="Convert it"):
        _load(path, "")


@pytest.mark.parametrize("prefix", ["", "first_stage_model.", "vae."])
def test_a_vae_file_loads_with_and_without_a_prefix(tmp_path: Path, prefix: str) -> None:
    folder = tiny.make_tiny_sd1(tmp_path / "m")
    tensors = load_file(tiny.save_single_file(folder, tmp_path / "m.safetensors", "sd1"))
    inner = "first_stage_model."
    path = tmp_path / "v.safetensors"
    save_file({prefix + name.removeprefix(inner): one for name, one in tensors.items() if name.startswith(inner)}, path)
    file = ModelFile(kind="vae", path=path, name=path.name)
    vae = load_vae(file, tiny.tiny_family("sd1"), memory_modes.get("fp32"), CPU)
    own = _load(folder, "sd1").vae.state_dict()
    assert all(torch.equal(one, own[name]) for name, one in vae.state_dict().items())


def test_the_noise_schedule_is_the_published_one() -> None:
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    plain = alphas_cumprod(config, zero_snr=False)
    sigmas = ((1 - plain) / plain).sqrt()
    assert float(sigmas[0]) == pytest.approx(0.0292, abs=1e-4)
    assert float(sigmas[-1]) == pytest.approx(14.6146, abs=1e-4)
    zero = alphas_cumprod(config, zero_snr=True)
    assert float(zero[0]) == pytest.approx(float(plain[0]))
    assert float(zero[-1]) < 1e-7
