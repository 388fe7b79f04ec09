from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from modules.core.errors import EaselError
from modules.training import checkpoints
from modules.training.config import Config, Optimizer
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.loop import learning_rate, train
from modules.training.methods.autoencoder import Autoencoder
from modules.training.methods.latent_diffusion import LatentDiffusion


def final_state(config: Config) -> checkpoints.State:
    state = checkpoints.load_latest(Path(config.run.folder))
    assert state is not None
    return state


def after(steps: int) -> Callable[[], bool]:
    """True from the given number of questions on; the loop asks once a step."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) >= steps


def with_folder(config: Config, folder: Path) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(folder)))


@pytest.mark.parametrize("kind", ["autoencoder", "latent_diffusion"])
@pytest.mark.parametrize("stop", [1, 7, 11])
def test_resumed_run_is_bit_identical(kind: str, stop: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    pictures: PictureSet = request.getfixturevalue("pictures")
    name = "autoencoder_config" if kind == "autoencoder" else "diffusion_config"
    config: Config = request.getfixturevalue(name)
    make = Autoencoder if kind == "autoencoder" else LatentDiffusion
    straight, broken = with_folder(config, tmp_path / "straight"), with_folder(config, tmp_path / "broken")
    train(straight, make(straight, pictures))
    if kind == "latent_diffusion":
        shutil.copytree(tmp_path / "straight" / "tokenizer", tmp_path / "broken" / "tokenizer")
    train(broken, make(broken, pictures), stopping=after(stop))
    torch.randn(7)  # the process that goes on has another history
    train(broken, make(broken, pictures))
    one, other = final_state(straight), final_state(broken)
    assert one.step == other.step == config.run.steps
    for part in ("parameters", "ema", "optimizer"):
        tensors, others = getattr(one, part), getattr(other, part)
        assert tensors.keys() == others.keys()
        differing = [key for key in tensors if not torch.equal(tensors[key], others[key])]
        assert not differing, f"stopped at {stop}: {part} differ: {differing[:5]}"


def test_state_half_written_is_not_used(autoencoder_config: Config, pictures: PictureSet) -> None:
    train(autoencoder_config, Autoencoder(autoencoder_config, pictures), stopping=after(3))
    folder = Path(autoencoder_config.run.folder)
    half = folder / "states" / "step-0000009.tmp"
    half.mkdir()
    (half / "state.safetensors").write_bytes(b"half")
    assert final_state(autoencoder_config).step == 3


class Exploding:
    """A method whose loss becomes NaN at step 5."""

    def __init__(self) -> None:
        self.line = nn.Linear(1, 1)

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"line": self.line}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.line(torch.ones(1, 1)).square().mean()
        return (loss * float("nan") if step == 5 else loss), {}

    def validate(self) -> dict[str, float]:
        return {}

    def sample(self, path: Path) -> None:
        path.touch()

    def finish(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)


def test_divergence_stops_and_keeps_the_last_good_state(autoencoder_config: Config) -> None:
    run = dataclasses.replace(autoencoder_config.run, save_every=2)
    config = dataclasses.replace(autoencoder_config, run=run)
    with pytest.raises(EaselError, match="step 5"):
        train(config, Exploding())
    state = final_state(config)
    assert state.step == 4
    assert all(torch.isfinite(one).all() for one in state.parameters.values())


def test_metrics_are_lines_of_json(autoencoder_config: Config, pictures: PictureSet) -> None:
    train(autoencoder_config, Autoencoder(autoencoder_config, pictures))
    lines = (Path(autoencoder_config.run.folder) / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[-1]["step"] == 12
    assert any("val/psnr" in row for row in rows)


def test_rate_warms_up_and_ends_at_its_minimum() -> None:
    settings = Optimizer(lr=1.0, min_lr=0.1, warmup=10)
    assert learning_rate(0, 100, settings) == pytest.approx(0.1)
    assert learning_rate(9, 100, settings) == pytest.approx(1.0)
    assert learning_rate(55, 100, settings) == pytest.approx(0.55)
    assert learning_rate(100, 100, settings) == pytest.approx(0.1)


def test_constant_rate_cools_down_over_the_last_steps() -> None:
    settings = Optimizer(lr=1.0, min_lr=0.0, warmup=0, schedule="constant", cooldown=20)
    assert [learning_rate(step, 100, settings) for step in (0, 80, 90, 99)] == pytest.approx([1.0, 1.0, 0.5, 0.05])
