from __future__ import annotations

import copy
import dataclasses
import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from modules.core.errors import UserError
from modules.training import checkpoints
from modules.training.config import Config, Optimizer, dump_config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.divergence import Divergence
from modules.training.loop import train
from modules.training.methods.autoencoder import Autoencoder
from modules.training.methods.latent_diffusion import LatentDiffusion
from tests.training.toy import Toy


def final_state(config: Config) -> checkpoints.State:
    state = checkpoints.load_latest(Path(config.run.folder))
    assert state is not None
    return state


def after(steps: int) -> Callable[[], bool]:
    """True from the given number of questions on; the loop asks once a step."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) >= steps


def with_run(config: Config, **changes: object) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **changes))


def with_folder(config: Config, folder: Path) -> Config:
    return with_run(config, folder=str(folder))


def assert_same(one: checkpoints.State, other: checkpoints.State) -> None:
    """Bit by bit."""
    assert one.step == other.step
    assert one.memory == other.memory
    assert one.ema_updates == other.ema_updates
    for part in checkpoints.PARTS:
        tensors, others = getattr(one, part), getattr(other, part)
        assert tensors.keys() == others.keys()
        differing = [key for key in tensors if not torch.equal(tensors[key], others[key])]
        assert not differing, f"{part} differ: {differing[:5]}"


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
    assert one.step == config.run.steps
    assert_same(one, other)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL and fork")
def test_killed_run_ends_bit_identical(toy_config: Config, tmp_path: Path, run_toy: Callable[..., None]) -> None:
    """SIGKILL at five random steps, between two parts of a batch, and once while a state is being saved."""
    straight, killed = with_folder(toy_config, tmp_path / "straight"), with_folder(toy_config, tmp_path / "killed")
    train(straight, Toy(straight))
    (tmp_path / "killed.toml").write_text(dump_config(killed))
    run_toy("killed", tmp_path / "killed.toml", *sorted(random.Random(3).sample(range(1, 15), 5)), 15)
    assert_same(final_state(straight), final_state(killed))
    rows = [json.loads(line) for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if "loss" in row]
    assert steps == list(range(1, 17)), "no step twice"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_processes_learn_what_one_learns(toy_config: Config, tmp_path: Path, run_toy: Callable[..., None]) -> None:
    """One process with two parts a step against two processes with a part each, on gloo."""
    one, two = with_run(toy_config, folder=str(tmp_path / "one")), with_folder(toy_config, tmp_path / "two")
    train(one, Toy(one, judged=False, dropout=0.0))
    (tmp_path / "two.toml").write_text(dump_config(with_run(two, accumulate=1)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run_toy("pair", tmp_path / "two.toml", port)
    ours, theirs = final_state(one), final_state(two)
    assert ours.step == theirs.step == 16
    for part in ("parameters", "ema", "optimizer"):
        for key, tensor in getattr(ours, part).items():
            torch.testing.assert_close(getattr(theirs, part)[key], tensor, rtol=1e-4, atol=1e-5)
    rows = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 17)), "only one process writes"


def test_state_half_written_is_not_used(autoencoder_config: Config, pictures: PictureSet) -> None:
    train(autoencoder_config, Autoencoder(autoencoder_config, pictures), stopping=after(3))
    folder = Path(autoencoder_config.run.folder)
    half = folder / "states" / "step-0000009.tmp"
    half.mkdir()
    (half / "state.safetensors").write_bytes(b"half")
    assert final_state(autoencoder_config).step == 3


@pytest.mark.parametrize(("step", "factor"), [(5, float("nan")), (5, float("inf"))])
def test_divergence_stops_and_keeps_the_last_good_state(toy_config: Config, step: int, factor: float) -> None:
    config = with_run(toy_config, save_every=2)
    method = Toy(config)
    spoil(method, lambda now: factor if now == step else 1.0)
    with pytest.raises(Divergence, match=f"step {step}") as told:
        train(config, method)
    assert "step-0000004" in told.value.hint
    state = final_state(config)
    assert state.step == 4
    assert all(torch.isfinite(one).all() for one in state.parameters.values())


def test_explosion_stops_and_nothing_suspicious_is_kept(toy_config: Config) -> None:
    config = with_run(toy_config, save_every=2, steps=100)
    method = Toy(config, judged=False)
    spoil(method, lambda now: 1e4 if now >= 41 else 1.0)
    with pytest.raises(Divergence, match="exploded"):
        train(config, method)
    assert final_state(config).step == 40, "states of the ten suspicious steps must not be kept"


def test_a_single_hard_batch_is_no_explosion(toy_config: Config) -> None:
    config = with_run(toy_config, steps=60)
    method = Toy(config, judged=False)
    spoil(method, lambda now: 1e4 if now % 20 == 19 else 1.0)
    train(config, method)
    assert final_state(config).step == 60


def spoil(method: Toy, factor: Callable[[int], float]) -> None:
    usual = method.loss

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        value, parts = usual(step, generator)
        return value * factor(step), parts

    method.loss = loss


def test_accumulated_parts_equal_one_big_batch(toy_config: Config) -> None:
    """Against plain torch: the same optimizer on all samples of a step at once."""
    config = with_run(toy_config, accumulate=4, steps=5)
    config = dataclasses.replace(config, optimizer=Optimizer(lr=0.02, warmup=0, schedule="constant", clip=0.05))
    method = Toy(config, judged=False, dropout=0.0)
    method.net[1] = nn.Identity()  # a batch norm sees its part only
    net = copy.deepcopy(method.net)
    train(config, method)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02, betas=(0.9, 0.99), weight_decay=0.0)
    parts = iter(method.batches)
    for _ in range(config.run.steps):
        x = torch.cat([next(parts) for _ in range(4)])
        assert len(x.unique(dim=0)) == 16, "the parts must be different samples"
        optimizer.zero_grad()
        (net(x) - x.tanh()).square().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.05)
        optimizer.step()
    assert not list(parts)
    for ours, theirs in zip(method.net.parameters(), net.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_opponent_learns_from_its_loss_alone(toy_config: Config) -> None:
    """Against plain torch: the judge trained by hand on what the method made, with the same rate."""
    config = with_run(toy_config, accumulate=1, steps=6)
    config = dataclasses.replace(config, optimizer=Optimizer(lr=0.02, warmup=0, schedule="constant"))
    method = Toy(config)
    judge = copy.deepcopy(method.judge)
    made: list[Tensor] = []
    usual = method.judge_loss

    def judge_loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]] | None:
        made.append(method.made.detach())
        return usual(step, generator)

    assert method.opponent is not None
    method.opponent = dataclasses.replace(method.opponent, loss=judge_loss)
    train(config, method)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=0.02, betas=(0.9, 0.99), weight_decay=0.0)
    for step, (x, output) in enumerate(zip(method.batches, made)):
        judge(output)  # the method's own look at the judge turns the power iteration
        if step < 3:
            continue
        real, fake = judge(x.tanh()), judge(output)
        optimizer.zero_grad()
        ((1 - real).relu().mean() + (1 + fake).relu().mean()).backward()
        nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        optimizer.step()
    for name, one in judge.state_dict().items():
        torch.testing.assert_close(method.judge.state_dict()[name], one, rtol=1e-5, atol=1e-6)
    assert final_state(config).opponent.keys() >= {"parameters/judge.bias", "optimizer/judge.bias/exp_avg"}


def test_gradient_checkpointing_computes_twice_and_changes_nothing(
    diffusion_config: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    results, calls = [], []
    for name, twice in (("kept", False), ("computed", True)):
        config = with_run(diffusion_config, folder=str(tmp_path / name), steps=2, gradient_checkpointing=twice)
        if twice:
            shutil.copytree(tmp_path / "kept" / "tokenizer", tmp_path / name / "tokenizer")
        method, count = LatentDiffusion(config, pictures), []
        inner = method.unet.down_blocks[0].resnets[0]
        inner.register_forward_pre_hook(lambda *_, count=count: count.append(1))
        train(config, method, stopping=after(2))  # no samples
        results.append(final_state(config).parameters)
        calls.append(len(count))
    assert calls == [2, 4]
    for key, one in results[0].items():
        torch.testing.assert_close(results[1][key], one, rtol=1e-4, atol=1e-6)


def test_module_that_cannot_checkpoint_gradients_is_told(toy_config: Config) -> None:
    with pytest.raises(UserError, match="checkpoint gradients"):
        train(with_run(toy_config, gradient_checkpointing=True), Toy(toy_config))


def test_another_architecture_is_one_clear_error(toy_config: Config) -> None:
    train(toy_config, Toy(toy_config), stopping=after(2))
    before = (Path(toy_config.run.folder) / "config.toml").read_text()
    with pytest.raises(UserError, match=r"another architecture: net\.0\.weight is \(8, 4\) there and \(9, 4\) here"):
        train(with_run(toy_config, seed=5), Toy(toy_config, width=9))
    assert (Path(toy_config.run.folder) / "config.toml").read_text() == before
    assert final_state(toy_config).step == 2


def test_measuring_and_sampling_change_nothing(toy_config: Config, tmp_path: Path) -> None:
    often = with_run(toy_config, folder=str(tmp_path / "often"), validate_every=1, sample_every=1)
    seldom = with_run(toy_config, folder=str(tmp_path / "seldom"), validate_every=99, sample_every=99)
    seen: list[tuple[int, Path]] = []
    train(often, Toy(often), on_sample=lambda step, path: seen.append((step, path)))
    train(seldom, Toy(seldom))
    assert_same(final_state(often), final_state(seldom))
    assert [step for step, _ in seen] == list(range(1, 17))
    assert all(path.read_bytes() == b"grid" for _, path in seen)


def test_two_runs_of_other_precisions_follow_each_other(toy_config: Config, tmp_path: Path) -> None:
    for precision in ("bf16", "fp32", "bf16"):
        config = with_run(toy_config, folder=str(tmp_path / precision), precision=precision, steps=2)
        train(config, Toy(config))
    rows = [json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[0]) for name in ("bf16", "fp32")]
    assert rows[0]["error"] == pytest.approx(rows[1]["error"], rel=0.03)
    assert rows[0]["error"] != rows[1]["error"]


def test_metrics_are_lines_of_json(autoencoder_config: Config, pictures: PictureSet) -> None:
    train(autoencoder_config, Autoencoder(autoencoder_config, pictures))
    lines = (Path(autoencoder_config.run.folder) / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[-1]["step"] == 12
    assert any("val/psnr" in row for row in rows)


@pytest.mark.parametrize("method", ["lora", "dreambooth", "textual_inversion", "finetune"])
def test_a_method_without_a_trainer_says_so(toy_config: Config, method: str) -> None:
    from modules.training.run import make_method

    with pytest.raises(UserError, match=f"{method}.*not trained"):
        make_method(dataclasses.replace(toy_config, method=method))
