"""/api/v1/datasets: pictures handed in to learn from, looked over, their captions and the tools that change them."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from modules.api.limits import MAX_PICTURES
from modules.api.services import Services
from modules.core.errors import UserError
from modules.training.config.reading import build
from modules.training.dataset_tools import read_tool, run
from modules.training.datasets.caption_edits import captions_of, count_tags, write_captions
from modules.training.datasets.store import DatasetStore
from modules.training.lint import LintOptions, lint


class NewFile(BaseModel):
    """`data`: base64 of a picture, a caption (.txt, .caption) or metadata.jsonl."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=500)
    data: str


class NewFiles(BaseModel):
    model_config = ConfigDict(extra="forbid")

    files: list[NewFile] = Field(min_length=1)


class NewCaptions(BaseModel):
    """Texts by the pictures' names."""

    model_config = ConfigDict(extra="forbid")

    captions: dict[str, str] = Field(max_length=10_000)


class ToolUse(BaseModel):
    """`tool`: {"kind": "captions", "buckets", "flips", "split" or "undo"} with its settings, those of the dataclasses
    in modules/training/dataset_tools.py. With `into` a copy of that name is worked on, and the dataset stays."""

    model_config = ConfigDict(extra="forbid")

    tool: dict[str, Any]
    into: str = ""


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])
    store = DatasetStore(services.paths)

    @router.get("")
    def list_datasets() -> dict[str, Any]:
        """Folders below datasets/ in the data folder."""
        return {"datasets": [dataclasses.asdict(one) for one in store.infos()]}

    @router.get("/{name}")
    def get_dataset(name: str) -> dict[str, Any]:
        return dataclasses.asdict(store.info(name))

    @router.post("/{name}/files", status_code=201)
    def add_files(name: str, body: NewFiles) -> dict[str, Any]:
        """Keep files; none is overwritten. Returns the names under which they are kept."""
        if len(body.files) > services.settings[MAX_PICTURES]:
            raise UserError(
                f"{len(body.files)} files came, but at most {services.settings[MAX_PICTURES]} are allowed.",
                hint=f"Send several requests; the owner can raise {MAX_PICTURES.key}.",
                field="files",
            )
        return {"files": store.add(name, [(one.name, _decoded(one)) for one in body.files])}

    @router.post("/{name}/lint")
    def lint_dataset(name: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
        """What is worth knowing before a training. `options`: modules.training.lint.LintOptions."""
        return lint(store.folder(name), build(LintOptions, options or {}, "")).to_json()

    @router.get("/{name}/captions")
    def get_captions(name: str) -> dict[str, Any]:
        """Every picture's caption and where it comes from; `tags`: how many captions hold each."""
        return _captions_json(store.folder(name))

    @router.put("/{name}/captions")
    def put_captions(name: str, body: NewCaptions) -> dict[str, Any]:
        """Write captions; the old ones can be brought back with the tool "undo". Others stay as they are."""
        folder = store.folder(name)
        work = write_captions(folder, body.captions)
        return {**_captions_json(folder), "changed": [*work.changed, *work.made]}

    @router.post("/{name}/tools")
    def use_tool(name: str, body: ToolUse) -> dict[str, Any]:
        """Change the dataset, or a copy of it. Returns what was changed, made, removed and left."""
        tool, into = read_tool(body.tool), store.place(body.into) if body.into else None
        return dataclasses.asdict(run(store.folder(name), tool, into=into))

    return router


def _captions_json(folder: Path) -> dict[str, Any]:
    tags = [{"tag": tag, "count": count} for tag, count in count_tags(folder)]
    return {"captions": [dataclasses.asdict(one) for one in captions_of(folder)], "tags": tags}


def _decoded(file: NewFile) -> bytes:
    data = file.data.partition(",")[2] if file.data.startswith("data:") else file.data
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{file.name} is not base64: {error}.", hint="Send it in base64.", field="files") from None
