"""A tiny adversarial method with all that a run must keep: dropout, buffers that learn, an opponent that joins late.

`python toy.py killed|pair CONFIG.toml ...` runs it in processes of their own, for tests that kill or pair them.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from modules.training import checkpoints
from modules.training.config import Config, read_config
from modules.training.loop import train
from modules.training.opponent import Opponent

WIDTH = 4


class Toy:
    """Learns to be close to tanh(x) and to please a judge. `batches` are the inputs of all calls of `loss`."""

    def __init__(self, config: Config, *, width: int = 8, judged: bool = True, dropout: float = 0.2) -> None:
        self.size = config.run.batch_size
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(WIDTH, width), nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Tanh())
        self.net.append(nn.Linear(width, WIDTH))
        self.judge = nn.utils.parametrizations.spectral_norm(nn.Linear(WIDTH, 1))
        self.opponent = Opponent({"judge": self.judge}, self.judge_loss) if judged else None
        self.batches: list[Tensor] = []

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(self.size, WIDTH, generator=generator)
        self.batches.append(x)
        self.made = self.net(x)
        error = (self.made - x.tanh()).square().mean()
        please = -self.judge(self.made).mean()
        return error + (0.01 * please if self.opponent else 0), {"error": error, "please": please}

    def judge_loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]] | None:
        if step < 3:
            return None
        real, made = self.judge(self.batches[-1].tanh()), self.judge(self.made.detach())
        return (1 - real).relu().mean() + (1 + made).relu().mean(), {"real": real.mean()}

    def validate(self) -> dict[str, float]:
        assert not self.net.training, "a measurement must not train buffers"
        return {"error": float((self.net(torch.ones(2, WIDTH)) - 1).square().mean())}

    def sample(self, path: Path) -> None:
        path.write_bytes(b"grid")
        torch.randn(3)  # draws of its own must not disturb the run

    def finish(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)


def forked(work, *arguments) -> int:
    """Run in a process of its own; returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work(*arguments)
    finally:
        os._exit(1)  # work that is well done has left already


def run_until(config: Config, last: int) -> None:
    """Train, but die without a word in the loss of step `last`, between two parts of its batch."""
    method, calls = Toy(config), 0
    usual = method.loss

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        nonlocal calls
        calls += step == last
        if step == last and calls == config.run.accumulate:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(step, generator)

    method.loss = loss
    train(config, method)
    os._exit(0)


def run_and_die_saving(config: Config, step: int) -> None:
    """Train, but die while saving the state of `step`: its tensors are written, its folder has no name yet."""
    whole = checkpoints.save_file

    def half(tensors: dict[str, Tensor], path: Path) -> None:
        whole(tensors, path)
        if path.parent.name == f"step-{step:07d}.tmp":
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.save_file = half
    train(config, Toy(config))
    os._exit(0)


def run_as(rank: int, world: int, port: str, config: Config) -> None:
    """What `accelerate launch` tells its processes."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    train(config, Toy(config, judged=False, dropout=0.0))
    os._exit(0)


def main(mode: str, path: str, *rest: str) -> None:
    torch.set_num_threads(1)
    config = read_config(Path(path))
    if mode == "killed":
        *steps, saving = map(int, rest)
        for step in steps:
            _, status = os.waitpid(forked(run_until, config, step), 0)
            assert os.WTERMSIG(status) == signal.SIGKILL, f"not killed at step {step}: {status}"
        _, status = os.waitpid(forked(run_and_die_saving, config, saving), 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, f"not killed saving {saving}: {status}"
        children = [forked(run_until, config, -1)]
    else:
        children = [forked(run_as, rank, 2, rest[0], config) for rank in range(2)]
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, status


if __name__ == "__main__":
    main(*sys.argv[1:])
