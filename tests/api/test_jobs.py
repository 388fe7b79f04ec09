"""/api/v1/jobs over a real queue: a job's way through HTTP, its events, its pictures."""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from PIL import Image
from starlette.testclient import TestClient

from modules.api.app import _easel_error, _validation_error
from modules.api.routes.jobs import routes
from modules.core.errors import EaselError, UserError
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.jobs.generate import make_generate_handler
from modules.jobs.queue import JobQueue
from modules.jobs.store import JobStore
from modules.processing.info import Result
from modules.processing.progress import Control, Picture, Preview, Progress, Report, no_report
from modules.processing.requests import Generate, Prompt

JOBS = "/api/v1/jobs"
WAIT_S = 20.0


class GreyEngine:
    """Paints grey pictures; waits for `go` before each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.go = folder, threading.Event()
        self.inputs = PictureStore(folder)

    def resolve(self, request: Generate) -> None:
        if request.shape.width % 8:
            raise UserError(f"Width {request.shape.width} is not a multiple of 8.", field="shape.width")

    def run(self, request: Generate, *, control: Control | None = None, report: Report = no_report) -> Result:
        assert control is not None
        if request.prompt.positive == "fail":
            raise UserError("No such word.", hint="Say another.", field="prompt.positive")
        if request.prompt.positive == "crash":
            (self.folder / "lost.txt").read_bytes()
        made = []
        for image in range(request.shape.batch_count):
            report(Progress(fraction=0.5, stage="denoise", image=image, images=request.shape.batch_count))
            report(Preview(data=b"seen", step=1))
            while not self.go.wait(0.005) and not control.interrupted:
                pass
            if control.interrupted:
                break
            path = self.folder / f"{image}-{request.prompt.positive}.png"
            Image.new("L", (8, 8), 99).save(path)
            made.append(Picture(path=str(path), infotext="", seed=1, variation_seed=0, width=8, height=8))
            report(made[-1])
        return Result(pictures=tuple(made), info={}, seconds=1.0, peak_bytes=5, interrupted=control.interrupted)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    engine = GreyEngine(tmp_path)
    queue = JobQueue(JobStore(tmp_path / "easel.db"), {"generate": make_generate_handler(engine)}, limit=3)
    services: Any = SimpleNamespace(engine=engine, queue=queue, settings=Settings())
    app = FastAPI()
    app.include_router(routes(services))
    app.add_exception_handler(EaselError, _easel_error)

    app.add_exception_handler(RequestValidationError, _validation_error)
    with TestClient(app) as client:
        yield SimpleNamespace(engine=engine, queue=queue, client=client, folder=tmp_path)
    queue.stop(5)


def ask(site: SimpleNamespace, prompt: str = "grey", **more: Any) -> Any:
    request = Generate(prompt=Prompt(positive=prompt)).to_json()
    request["shape"].update(more.pop("shape", {}))
    return site.client.post(JOBS, json={"kind": "generate", "request": request, **more})


def finish(site: SimpleNamespace, id: str) -> dict[str, Any]:
    site.engine.go.set()
    site.queue.start()
    site.queue.wait(id, WAIT_S)
    return site.client.get(f"{JOBS}/{id}").json()


def events(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        if not block.startswith(":"):
            parts = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((int(parts["id"]), parts["event"], json.loads(parts["data"])))
    return found


def test_a_job_goes_from_request_to_picture(site: SimpleNamespace) -> None:
    reply = ask(site, shape={"batch_count": 2})
    assert reply.status_code == 202
    job = reply.json()
    assert reply.headers["Location"] == f"{JOBS}/{job['id']}"
    assert (job["state"], job["place"]) == ("queued", 1)
    done = finish(site, job["id"])
    assert (done["state"], done["place"], done["result"]["peak_bytes"]) == ("done", None, 5)
    assert [one["name"] for one in done["pictures"]] == ["0-grey.png", "1-grey.png"]
    assert str(site.folder) not in json.dumps(done), "a path of this machine is told"
    for index, one in enumerate(done["pictures"]):
        found = site.client.get(f"{JOBS}/{job['id']}/pictures/{index}")
        assert found.headers["content-type"] == "image/png"
        assert found.content == (site.folder / one["name"]).read_bytes()
    assert site.client.get(f"{JOBS}/{job['id']}/pictures/2").status_code == 404
    (site.folder / "0-grey.png").unlink()
    assert "gone" in site.client.get(f"{JOBS}/{job['id']}/pictures/0").json()["detail"]


def test_an_error_tells_what_happened_and_no_folder_of_this_machine(site: SimpleNamespace) -> None:
    job = ask(site, "crash").json()
    failed = finish(site, job["id"])
    told = site.client.get(f"{JOBS}/{job['id']}/events").text
    assert failed["state"] == "failed"
    assert "No such file or directory: lost.txt" in failed["error"]["message"]
    for one in (json.dumps(failed), told):
        assert str(site.folder) not in one
        assert "Traceback" not in one


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"shape": {"width": 65}}, "shape.width"),
        ({"shape": {"width": "wide"}}, "shape.width"),
        ({"shape": {"width": 4096, "height": 2048}}, "width"),
        ({"shape": {"batch_size": 2, "batch_count": 51}}, "batch_count"),
        ({"colour": 1}, "colour"),
        ({"after": {"folder": "/srv/x"}}, "after.folder"),
        ({"after": {"folder": "outputs/../../x"}}, "after.folder"),
    ],
)
def test_a_wish_that_cannot_be_granted_names_its_field(site: SimpleNamespace, request_: Any, field: str) -> None:
    reply = site.client.post(JOBS, json={"kind": "generate", "request": request_})
    assert (reply.status_code, reply.json()["field"]) == (422, field)
    assert site.queue.counts() == {}


def test_another_kind_is_refused(site: SimpleNamespace) -> None:
    assert site.client.post(JOBS, json={"kind": "paint", "request": {}}).status_code == 422
    assert site.client.get(f"{JOBS}/nope").status_code == 404
    assert site.client.get(f"{JOBS}/nope/events").status_code == 404


def test_a_full_queue_says_when_to_come_again(site: SimpleNamespace) -> None:
    assert [ask(site).status_code for _ in range(3)] == [202] * 3
    reply = ask(site)
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) > 0
    assert len(site.client.get(JOBS).json()["jobs"]) == 3


def test_the_same_id_twice_is_one_job(site: SimpleNamespace) -> None:
    assert ask(site, id="mine").json() == ask(site, "other", id="mine").json()
    assert site.queue.counts() == {"queued": 1}


def test_the_list_can_be_narrowed_and_reordered(site: SimpleNamespace) -> None:
    ids = [ask(site, id=name, tag=name).json()["id"] for name in "abc"]
    assert [job["id"] for job in site.client.get(JOBS).json()["jobs"]] == ids
    assert site.client.post(f"{JOBS}/c/move", json={"places": -2}).json()["place"] == 1
    assert site.client.delete(f"{JOBS}/a").json()["state"] == "cancelled"
    found = site.client.get(JOBS, params={"state": "queued"}).json()
    assert [job["id"] for job in found["jobs"]] == ["c", "b"]
    assert found["counts"] == {"queued": 2, "cancelled": 1}
    assert [job["id"] for job in site.client.get(JOBS, params={"tag": "a"}).json()["jobs"]] == ["a"]
    assert [job["id"] for job in site.client.get(JOBS, params={"limit": 1}).json()["jobs"]] == ["b"]
    assert site.client.get(JOBS, params={"limit": 0}).status_code == 422
    assert site.client.post(f"{JOBS}/a/move", json={"places": 1}).status_code == 422


def test_a_finished_job_is_forgotten_with_its_unsaved_pictures(site: SimpleNamespace) -> None:
    for name in ("kept", "gone"):
        ask(site, name, id=name)
        finish(site, name)
    site.queue._store.order_pictures(
        "gone", [dataclasses.replace(site.queue.snapshot("gone").pictures[0], saved=False)]
    )
    assert site.client.delete(f"{JOBS}/gone").json()["state"] == "done"
    assert site.client.delete(f"{JOBS}/gone").status_code == 404
    assert [one.name for one in site.folder.glob("*.png")] == ["0-kept.png"]
    assert site.client.delete(JOBS).json() == {"counts": {}}
    assert [one.name for one in site.folder.glob("*.png")] == ["0-kept.png"], "a saved picture is a person's own"


def test_a_failed_job_says_why_and_can_be_retried(site: SimpleNamespace) -> None:
    failed = finish(site, ask(site, "fail").json()["id"])
    assert failed["error"]["field"] == "prompt.positive"
    assert failed["error"]["hint"] == "Say another."
    again = site.client.post(f"{JOBS}/{failed['id']}/retry")
    assert again.status_code == 202
    assert again.json()["id"] != failed["id"]
    assert again.json()["request"] == failed["request"]


def test_an_interrupt_stops_the_running_job(site: SimpleNamespace) -> None:
    id = ask(site).json()["id"]
    site.queue.start()
    site.client.post(f"{JOBS}/{id}/skip")
    site.client.post(f"{JOBS}/{id}/interrupt")
    assert site.queue.wait(id, WAIT_S).state.value in ("interrupted", "cancelled")


def test_events_come_live_and_close_at_the_end(site: SimpleNamespace) -> None:
    id = ask(site).json()["id"]
    timer = threading.Timer(0.2, lambda: (site.engine.go.set(), site.queue.start()))
    timer.start()
    reply = site.client.get(f"{JOBS}/{id}/events")  # returns once the stream is closed
    assert reply.headers["content-type"].startswith("text/event-stream")
    told = events(reply.text)
    assert [name for _, name, _ in told] == ["job", "job", "progress", "preview", "picture", "job"]
    assert [value["state"] for _, name, value in told if name == "job"] == ["queued", "running", "done"]
    assert base64.b64decode(told[3][2]["data"]) == b"seen"
    assert str(site.folder) not in reply.text
    for number, _, _ in told[:-1]:
        again = site.client.get(f"{JOBS}/{id}/events", headers={"Last-Event-ID": str(number)})
        kept = [one for one in told if one[0] > number and one[1] not in ("progress", "preview")]
        assert events(again.text) == kept
    last = site.client.get(f"{JOBS}/{id}/events", headers={"Last-Event-ID": str(told[-1][0])})
    assert (last.status_code, last.text) == (204, "")


def test_a_late_watcher_is_told_the_whole_job(site: SimpleNamespace) -> None:
    id = ask(site).json()["id"]
    finish(site, id)
    told = events(site.client.get(f"{JOBS}/{id}/events", headers={"Last-Event-ID": "12"}).text)
    assert [name for _, name, _ in told] == ["picture", "job"]
    assert dataclasses.asdict(site.queue.snapshot(id).pictures[0])["seed"] == told[0][2]["seed"]
