"""Training in the real queue: a tiny autoencoder on eight noisy pictures, stopped and killed on the way."""

from __future__ import annotations

import copy
import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modules.core.errors import UserError
from modules.core.paths import Paths
from modules.jobs.job import Job, JobState
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.jobs.train import checked, make_train_handler
from modules.processing.progress import Control, Event, Picture, Progress, Report
from modules.training import checkpoints, disk
from modules.training.config import parse_config
from modules.training.datasets.fluent_emoji import Subject
from modules.training.run import run_training

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0
STEPS = 8
FOLDER = "outputs/training/tiny"
TREE: dict[str, Any] = {
    "method": "autoencoder",
    "run": {
        "folder": FOLDER,
        "steps": STEPS,
        "batch_size": 2,
        "threads": 1,
        "log_every": 1,
        "validate_every": 4,
        "sample_every": 2,
        "save_every": 2,
    },
    "data": {"folder": "emoji", "size": 32},
    "optimizer": {"lr": 2e-3, "warmup": 2, "ema_decay": 0.9},
    "autoencoder": {"channels": [8, 16], "norm_groups": 2, "crop": 32},
}


def tree(**changes: Any) -> dict[str, Any]:
    """TREE with settings changed: run__steps=3."""
    made = copy.deepcopy(TREE)
    for name, value in changes.items():
        section, _, key = name.partition("__")
        made.setdefault(section, {})[key] = value
    return made


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A data folder with a set as fluent_emoji.load reads it."""
    folder = tmp_path / "data" / "emoji"
    folder.mkdir(parents=True)
    subjects = [Subject(f"{n:04X}", f"thing {n}", ("thing",), 3, n < 4, n == 7) for n in range(8)]
    (folder / "subjects.json").write_text(json.dumps([dataclasses.asdict(one) for one in subjects]))
    np.save(folder / "pictures-32.npy", np.random.default_rng(0).integers(0, 256, (8, 32, 32, 4), np.uint8))
    return Paths(data=tmp_path / "data")


class Bench:
    """A queue whose training job, once it tells step `at`, gets the wish `wish`: interrupt or cancel."""

    def __init__(self, paths: Paths) -> None:
        self.at, self.wish = 0, "interrupt"
        self._train = make_train_handler(paths)
        self.queue = JobQueue(JobStore(paths.database), {"train": self.train})

    def train(self, job: Job, control: Control, report: Report) -> dict[str, Any]:
        def told(event: Event) -> None:
            report(event)
            if isinstance(event, Progress) and event.step == self.at and event.step:
                self.at = 0
                getattr(self.queue, self.wish)(job.id)

        return self._train(job, control, told)

    def ended(self, id: str) -> Job:
        self.queue.start()
        job = self.queue.wait(id, WAIT_S)
        assert job.state.terminal, job
        return job

    def samples(self, id: str) -> list[str]:
        return [Path(one.path).name for one in self.queue.snapshot(id).pictures]


@pytest.fixture
def make(paths: Paths) -> Iterator[Callable[[], Bench]]:
    made: list[Bench] = []

    def bench() -> Bench:
        made.append(Bench(paths))
        return made[-1]

    yield bench
    for one in made:
        one.queue.stop(5)


def assert_same_bits_as_a_straight_run(paths: Paths, tmp_path: Path) -> None:
    config = parse_config(tree(run__folder=str(tmp_path / "straight"), data__folder=str(paths.data / "emoji")))
    run_training(config)
    one, other = (checkpoints.load_latest(folder) for folder in (tmp_path / "straight", paths.data / FOLDER))
    assert one is not None
    assert other is not None
    assert (one.step, one.ema_updates) == (other.step, other.ema_updates) == (STEPS, STEPS)
    for part in ("parameters", "ema", "optimizer"):
        tensors, others = getattr(one, part), getattr(other, part)
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []


def test_a_training_tells_its_steps_its_loss_and_its_samples(make: Callable[[], Bench], paths: Paths) -> None:
    bench = make()
    job = bench.queue.submit("train", checked({"config": TREE}, paths))
    watched = bench.queue.subscribe(job.id)
    done = bench.ended(job.id)
    assert done.state is JobState.done, done.error
    events = [event.value for event in watched]
    told = [event for event in events if isinstance(event, Progress) and event.stage == "train"]
    rows = [json.loads(line) for line in (paths.data / FOLDER / "metrics.jsonl").read_text().splitlines()]
    assert [(event.step, event.steps) for event in told] == [(row["step"], STEPS) for row in rows]
    losses = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert len(losses) == STEPS
    assert [event.metrics["loss"] for event in told] == [losses[event.step] for event in told]
    assert told[-1].metrics["val/psnr"] == rows[-1]["val/psnr"]
    assert all(event.eta_s is not None and event.eta_s > 0 for event in told if event.step < STEPS)
    assert (told[-1].fraction, told[-1].eta_s) == (1, 0)
    samples = [event for event in events if isinstance(event, Picture)]
    assert [Path(one.path).name for one in samples] == [f"step-{step:07d}.png" for step in (2, 4, 6, 8)]
    assert (samples[0].width, samples[0].height, samples[0].kind) == (8 * 32, 32, "grid")
    assert done.result is not None
    assert (done.result["folder"], done.result["step"]) == (FOLDER, STEPS)
    assert (paths.data / FOLDER / "result" / "config.json").is_file()


def test_a_full_disk_is_told_until_there_is_room(
    make: Callable[[], Bench], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, whole, left = make(), checkpoints.save_file, [OSError(errno.ENOSPC, "full")]

    def save(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if "step-0000004" in str(path) and left:
            raise left.pop()
        whole(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", save)
    monkeypatch.setattr(disk, "POLL_S", 0.0)
    job = bench.queue.submit("train", checked({"config": TREE}, paths))
    watched = bench.queue.subscribe(job.id)
    assert bench.ended(job.id).state is JobState.done
    told = [event.value for event in watched if isinstance(event.value, Progress) and event.value.step == 4]
    assert [(one.stage, one.text) for one in told[:3]] == [("train", ""), ("wait", disk.MESSAGE), ("train", "")]


def test_a_finished_training_asked_again_tells_what_it_reached(make: Callable[[], Bench], paths: Paths) -> None:
    bench = make()
    results = []
    for _ in range(2):
        done = bench.ended(bench.queue.submit("train", checked({"config": TREE}, paths)).id)
        assert done.result is not None
        results.append({name: value for name, value in done.result.items() if name != "seconds"})
    assert results[0] == results[1]
    assert results[1]["step"] == STEPS
    assert {"loss", "val/psnr"} <= set(results[1]["metrics"])


@pytest.mark.parametrize(("wish", "state"), [("interrupt", "interrupted"), ("cancel", "cancelled")])
def test_a_stopped_training_goes_on_when_asked_again(
    make: Callable[[], Bench], paths: Paths, tmp_path: Path, wish: str, state: str
) -> None:
    bench = make()
    bench.at, bench.wish = 4, wish
    stopped = bench.ended(bench.queue.submit("train", checked({"config": TREE}, paths)).id)
    assert stopped.state == state
    saved = checkpoints.load_latest(paths.data / FOLDER)
    assert saved is not None
    assert saved.step == 5  # the wish came with the numbers of step 4, when the loop had asked for it already
    again = bench.queue.retry(stopped.id)
    assert bench.ended(again.id).state is JobState.done
    assert bench.samples(again.id) == [f"step-{step:07d}.png" for step in (2, 4, 6, 8)]
    assert_same_bits_as_a_straight_run(paths, tmp_path)


SERVER = """
import sys, threading
from pathlib import Path
from modules.core.paths import Paths
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.jobs.train import make_train_handler

paths = Paths(data=Path(sys.argv[1]))
handler = make_train_handler(paths)

def train(job, control, report):
    def told(event):
        report(event)
        if getattr(event, "step", 0) == 5:
            print("step 5", flush=True)
            threading.Event().wait()  # until the kill
    return handler(job, control, told)

queue = JobQueue(JobStore(paths.database), {"train": train})
queue.start()
queue.wait(sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_killed_training_goes_on_from_its_last_state(make: Callable[[], Bench], paths: Paths, tmp_path: Path) -> None:
    before = make()
    id = before.queue.submit("train", checked({"config": TREE}, paths)).id
    before.queue.stop()
    command = [sys.executable, "-c", SERVER, str(paths.data), id]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "step 5\n"
        child.send_signal(signal.SIGKILL)
    saved = checkpoints.load_latest(paths.data / FOLDER)
    assert saved is not None
    assert saved.step == 4
    after = make()
    job = after.queue.get(id)
    assert (job.state, job.requeued) == (JobState.queued, True)
    watched = after.queue.subscribe(id)
    assert after.ended(id).state is JobState.done
    steps = [event.value.step for event in watched if isinstance(event.value, Progress) and event.value.step]
    assert steps[0] == 5, "it began anew"
    assert after.samples(id) == [f"step-{step:07d}.png" for step in (2, 4, 6, 8)], "a sample is told twice or lost"
    assert_same_bits_as_a_straight_run(paths, tmp_path)


def test_a_training_without_pictures_fails_with_what_to_do(make: Callable[[], Bench], paths: Paths) -> None:
    bench = make()
    failed = bench.ended(bench.queue.submit("train", checked({"config": tree(data__folder="none")}, paths)).id)
    assert failed.state is JobState.failed
    assert failed.error is not None
    assert failed.error.message == "none has no pictures of size 32.", "without the place on this machine"
    assert "fluent_emoji" in failed.error.hint


def test_a_training_gives_the_threads_back(make: Callable[[], Bench], paths: Paths) -> None:
    before, bench = torch.get_num_threads(), make()
    torch.set_num_threads(2)
    try:
        bench.ended(bench.queue.submit("train", checked({"config": tree(run__steps=1)}, paths)).id)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_run_without_a_folder_gets_the_same_one_again_for_the_same_settings(paths: Paths) -> None:
    nameless = tree()
    del nameless["run"]["folder"]
    first, again, other = (
        checked({"config": one}, paths)["config"]["run"]["folder"]
        for one in (nameless, nameless, {**nameless, "optimizer": {"lr": 1e-4}})
    )
    assert first == again != other
    assert Path(first).parent == Path("outputs/training")


def test_a_config_comes_from_a_file_of_the_data_folder(paths: Paths, tmp_path: Path) -> None:
    text = 'method = "autoencoder"\n[run]\nsteps = 3\n[data]\nfolder = "emoji"\n'
    (paths.data / "mine.toml").write_text(text)
    (tmp_path / "outside.toml").write_text(text)
    config = checked({"config_file": "mine.toml"}, paths)["config"]
    assert config["run"]["steps"] == 3
    assert config["run"]["folder"].startswith("outputs/training/mine-")
    (paths.data / "bad.toml").write_bytes(b"\xff")
    for name in ("../outside.toml", str(tmp_path / "outside.toml"), "none.toml", "emoji", "bad.toml", "a\0b"):
        with pytest.raises(UserError) as told:
            checked({"config_file": name}, paths)
        assert told.value.field == "config_file", name
        assert str(tmp_path) not in told.value.message or str(tmp_path) in name, "a path of this machine is told"


@pytest.mark.parametrize(
    "place", ["../x", "/etc", "~/x", "outputs/../../x", "link/x", "a\0b", "~nobody-of-that-name/x"]
)
@pytest.mark.parametrize("setting", ["run.folder", "data.folder", "diffusion.autoencoder", "diffusion.start_from"])
def test_a_path_outside_of_the_data_folder_is_refused(paths: Paths, tmp_path: Path, setting: str, place: str) -> None:
    (paths.data / "outputs").mkdir()
    (paths.data / "link").symlink_to(tmp_path)
    with pytest.raises(UserError) as told:
        checked({"config": tree(**{setting.replace(".", "__"): place})}, paths)
    assert told.value.field == setting


def test_only_outputs_is_written_to(paths: Paths) -> None:
    with pytest.raises(UserError, match="not in outputs"):
        checked({"config": tree(run__folder="modules")}, paths)


def test_outputs_may_be_on_another_disk(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    paths.outputs.symlink_to(tmp_path / "disk")
    stage_1 = "outputs/training/first/result"
    config = checked({"config": tree(diffusion__autoencoder=stage_1)}, paths)["config"]
    assert (config["run"]["folder"], config["diffusion"]["autoencoder"]) == (FOLDER, stage_1)


def test_a_request_as_kept_is_kept_again_as_it_is(paths: Paths) -> None:
    kept = checked({"config": tree(data__folder=str(paths.data / "emoji"))}, paths)
    assert kept["config"]["data"]["folder"] == "emoji"
    assert checked(json.loads(json.dumps(kept)), paths) == kept
