"""Trainings asked for at /api/v1/jobs, through a real server and a real socket."""

# ruff: noqa: S310 only our own server is asked

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI

from modules.api.app import _easel_error
from modules.api.routes.jobs import routes
from modules.core.errors import EaselError
from modules.core.paths import Paths
from modules.jobs.job import Job
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.progress import Control, Progress, Report

CONFIG = {"method": "autoencoder", "run": {"folder": "outputs/training/mine"}, "data": {"folder": "emoji"}}

LORA = {
    "method": "lora",
    "run": CONFIG["run"],
    "data": {"folder": "pictures", "kind": "folder"},
    "base": {"checkpoint": "easel-mini"},
}


def count(job: Job, control: Control, report: Report) -> dict[str, Any]:
    report(Progress(fraction=0.5, stage="train", step=2, steps=4, eta_s=1.5, metrics={"loss": 0.25, "val/psnr": 20.0}))
    return {"folder": job.request["config"]["run"]["folder"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, serving: Any) -> Iterator[SimpleNamespace]:
    data = tmp_path_factory.mktemp("data")
    queue = JobQueue(JobStore(data / "easel.db"), {"train": count})
    app = FastAPI()
    services: Any = SimpleNamespace(engine=None, queue=queue, paths=Paths(data=data))
    app.include_router(routes(services))
    app.add_exception_handler(EaselError, _easel_error)
    with serving(app) as address:
        yield SimpleNamespace(url=f"{address}api/v1/jobs", queue=queue, data=data)
    queue.stop(5)


def ask(site: SimpleNamespace, request: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"kind": "train", "request": request}).encode()
    wish = urllib.request.Request(site.url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(wish, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"config": {**CONFIG, "run": {"stepz": 3}}}, "run.stepz"),
        ({"config": {**CONFIG, "run": {"steps": "many"}}}, "run.steps"),
        ({"config": {**CONFIG, "run": {"steps": 0}}}, "run.steps"),
        ({"config": {**CONFIG, "run": 3}}, "run"),
        ({"config": {**CONFIG, "method": "magic"}}, "method"),
        ({"config": LORA}, "method"),
        ({"config": {**CONFIG, "method": "latent_diffusion"}}, "diffusion.autoencoder"),
        ({"config": {"method": "autoencoder"}}, "data"),
        ({"config": {**CONFIG, "run": {"folder": "../mine"}}}, "run.folder"),
        ({"config": {**CONFIG, "run": {"folder": "modules"}}}, "run.folder"),
        ({"config": {**CONFIG, "data": {"folder": "/etc"}}}, "data.folder"),
        ({"config": {**CONFIG, "diffusion": {"autoencoder": "~/mine"}}}, "diffusion.autoencoder"),
        ({"config_file": "../other.toml"}, "config_file"),
        ({"config_file": "none.toml"}, "config_file"),
        ({"config": CONFIG, "config_file": "mine.toml"}, "config"),
        ({"config": "steps = 3"}, "config"),
        ({}, "config"),
    ],
)
def test_a_training_that_cannot_be_granted_names_the_setting(site: SimpleNamespace, request_: Any, field: str) -> None:
    before = site.queue.counts()
    status, said = ask(site, request_)
    assert (status, said.get("field")) == (422, field), said
    assert field.split(".")[-1].replace("_", " ") in said["detail"].replace("_", " ")
    assert str(site.data) not in json.dumps(said), "a path of this machine is told"
    assert site.queue.counts() == before


def test_a_training_is_queued_with_all_its_settings_and_told_with_its_loss(site: SimpleNamespace) -> None:
    (site.data / "mine.toml").write_text('method = "autoencoder"\n[run]\nsteps = 4\n[data]\nfolder = "emoji"\n')
    absolute = {**CONFIG, "data": {"folder": str(site.data / "emoji")}}
    for request, steps in (({"config": absolute}, 1000), ({"config_file": "mine.toml"}, 4)):
        status, job = ask(site, request)
        assert (status, job["kind"]) == (202, "train")
        config = job["request"]["config"]
        assert (config["run"]["steps"], config["optimizer"]["ema_decay"]) == (steps, 0.999)
        assert config["data"]["folder"] == "emoji"
        assert Path(config["run"]["folder"]).parts[:2] == ("outputs", "training")
        assert str(site.data) not in json.dumps(job), "a path of this machine is told"
    watched = urllib.request.urlopen(f"{site.url}/{job['id']}/events", timeout=20)
    site.queue.start()
    with watched:
        blocks = watched.read().decode().strip().split("\n\n")  # until the job is finished
    told = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    progress = next(json.loads(one["data"]) for one in told if one["event"] == "progress")
    assert (progress["step"], progress["steps"], progress["eta_s"]) == (2, 4, 1.5)
    assert progress["metrics"] == {"loss": 0.25, "val/psnr": 20.0}
    assert json.loads(told[-1]["data"])["state"] == "done"
