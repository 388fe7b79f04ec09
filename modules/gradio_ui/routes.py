"""The page's private routes below /easel and /assets/easel: jobs, pictures, settings, words."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from modules.core.changes import check_may_change
from modules.core.errors import EaselError, NotFoundError
from modules.gradio_ui import card_routes, options, texts
from modules.gradio_ui.inputs import keep_picture
from modules.gradio_ui.job_view import job_json, jobs_json
from modules.gradio_ui.model_view import broken_titles, checkpoint_titles, status_json
from modules.gradio_ui.owner import is_owner
from modules.gradio_ui.reading import read_json
from modules.gradio_ui.services import UiServices
from modules.gradio_ui.settings_view import settings_json
from modules.imaging.infotext import parse_infotext
from modules.imaging.inputs import PREFIX
from modules.imaging.saving import PATHS
from modules.jobs.pictures import HEADERS, picture_path, picture_type
from modules.processing.models.catalog import check_choice
from modules.processing.models.vae import VAE
from modules.processing.networks.hashes import follow_hashes, missed_networks
from modules.processing.options import LAST_INFOTEXT
from modules.processing.pasted import request_from_fields

log = logging.getLogger(__name__)
ASSETS = Path(__file__).parent / "assets"
MAX_UPLOAD = 64 * 1024 * 1024
MAX_JSON = 1024 * 1024
UPLOADS = ("/read-picture", "/inputs")
NO_STORE = {"Cache-Control": "no-store"}
Handler = Callable[[UiServices, Request, bytes], Any]


def answering(handler: Handler, services: UiServices) -> Callable[[Request], Awaitable[Response]]:
    """Run a plain handler in a thread; errors of a person become JSON with a message and a hint."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        limit = MAX_UPLOAD if request.url.path.endswith(UPLOADS) else MAX_JSON
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > limit:
                return JSONResponse({"error": "The upload is too large.", "hint": ""}, status_code=413)
        try:
            found = await run_in_threadpool(handler, services, request, body)
        except NotFoundError as error:
            return JSONResponse({"error": error.message, "hint": error.hint}, status_code=404, headers=NO_STORE)
        except EaselError as error:
            field = getattr(error, "field", "")
            said = {"error": error.message, "hint": error.hint, "field": field}
            return JSONResponse(said, status_code=422, headers=NO_STORE)
        return found if isinstance(found, Response) else JSONResponse(found, headers=NO_STORE)

    return endpoint


def status(services: UiServices, request: Request, body: bytes) -> Any:
    return status_json(services)


def jobs(services: UiServices, request: Request, body: bytes) -> Any:
    """All jobs, newest last; `?tag=` and `?last=1` find the job a reloaded page was watching."""
    everyone = found = services.queue.list()
    tag = request.query_params.get("tag")
    if tag:
        found = [one for one in found if one.tag == tag]
    if request.query_params.get("last"):
        running = [one for one in found if one.state == "running"]
        found = running[:1] or found[-1:]
    return jobs_json(services, found[-300:], everyone)


def job(services: UiServices, request: Request, body: bytes) -> Any:
    one = services.queue.get(request.path_params["id"])
    return jobs_json(services, [one], services.queue.list() if one.state == "queued" else [])[0]


def preview(services: UiServices, request: Request, body: bytes) -> Response:
    shot = services.queue.snapshot(request.path_params["id"]).preview
    if shot is None:
        raise NotFoundError("There is no preview yet.")
    return Response(shot.data, media_type=shot.mime, headers=NO_STORE)


def picture(services: UiServices, request: Request, body: bytes) -> Response:
    """The saved file itself, with its metadata."""
    path = picture_path(pictures(services, request), request.path_params["index"])
    disposition = "attachment" if "download" in request.query_params else "inline"
    return FileResponse(
        path,
        media_type=picture_type(path),
        filename=path.name,
        headers=HEADERS,
        content_disposition_type=disposition,
    )


def pictures(services: UiServices, request: Request) -> Sequence[Any]:
    return services.queue.snapshot(request.path_params["id"]).pictures


def archive(services: UiServices, request: Request, body: bytes) -> Response:
    found = pictures(services, request)
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as zipped:
        for number, one in enumerate(found):
            path = Path(one.path)
            if path.is_file():
                zipped.write(path, f"{number:02}-{path.name}")
    name = f'attachment; filename="easel-{request.path_params["id"][:8]}.zip"'
    return Response(raw.getvalue(), media_type="application/zip", headers={"Content-Disposition": name})


def save(services: UiServices, request: Request, body: bytes) -> Any:
    """Copy one picture, or all of the job, to the favourites folder and note it in log.csv."""
    from modules.gradio_ui.favourites import save_favourites

    found, index = pictures(services, request), request.path_params["index"]
    picture_path(found, index)  # a wrong index, or a file that is gone, is 404
    return {"saved": ", ".join(save_favourites(services, found, index))}


def take(services: UiServices, request: Request, body: bytes) -> Any:
    """Keep a job's picture as one to work on."""
    path = picture_path(pictures(services, request), request.path_params["index"])
    return keep_picture(services, path, path.name)


def put_input(services: UiServices, request: Request, body: bytes) -> Any:
    """Keep a picture of a person's own to work on; `?name=` is its file's."""
    return keep_picture(services, body, request.query_params.get("name", ""))


def get_input(services: UiServices, request: Request, body: bytes) -> Response:
    """A picture that was handed in, by the hash in its reference."""
    path = services.engine.inputs.path(PREFIX + request.path_params["digest"])
    return FileResponse(path, media_type="image/png", headers=HEADERS)


def act(services: UiServices, request: Request, body: bytes) -> Any:
    """interrupt, skip, cancel, retry, up, down. The job as it is afterwards."""
    id, action = request.path_params["id"], request.path_params["action"]
    queue = services.queue
    queue.get(id)  # a wrong id is 404, whatever the action
    actions: dict[str, Callable[[], Any]] = {
        "interrupt": lambda: queue.interrupt_smart(id),
        "skip": lambda: queue.skip(id),
        "cancel": lambda: queue.cancel(id),
        "retry": lambda: queue.retry(id),
        "up": lambda: queue.move(id, -1),
        "down": lambda: queue.move(id, 1),
    }
    if action not in actions:
        raise NotFoundError(f"There is no action {action!r}.", hint=f"Known: {', '.join(actions)}.")
    done = actions[action]()
    target = done.id if action == "retry" and hasattr(done, "id") else id
    return job_json(services, queue.get(target))


def clear(services: UiServices, request: Request, body: bytes) -> Any:
    services.queue.clear()
    return {"cleared": True}


def get_settings(services: UiServices, request: Request, body: bytes) -> Any:
    found = settings_json(services.settings, services.options, owner=is_owner(request))
    return [one for one in found if one["section"] != PATHS] if services.options.page.hide_ui_dir_config else found


def put_settings(services: UiServices, request: Request, body: bytes) -> Any:
    """{"changes": {key: value}}; all or nothing. Settings of scope admin stay with this machine's owner."""
    changes = read_json(body).get("changes")
    if not isinstance(changes, dict):
        raise EaselError("changes is missing.")
    check_may_change(services.settings, services.options, changes, owner=is_owner(request))
    check_choice(services.engine.catalog, changes)
    services.settings.update(changes)
    return {"values": {key: services.settings.get(key) for key in changes}}


def tokens(services: UiServices, request: Request, body: bytes) -> Any:
    wish = read_json(body)
    styles = tuple(str(one) for one in wish.get("styles") or ())
    text = str(wish.get("text", ""))[:200_000]
    used, room = services.engine.count_tokens(text, styles, negative=bool(wish.get("negative")))
    return {"used": used, "room": room}


def read_picture(services: UiServices, request: Request, body: bytes) -> Any:
    """Everything a picture file says about itself: {"infotext", "fields", "items"}."""
    from modules.gradio_ui.reading import read_upload

    return read_upload(body)


def parse(services: UiServices, request: Request, body: bytes) -> Any:
    """{"fields": all, "unknown": those that pasting cannot follow, "missed": embeddings and networks not here}."""
    fields = parse_infotext(str(read_json(body).get("infotext", ""))[:1_000_000])
    engine = services.engine
    fields = follow_hashes(fields, engine.networks)
    missed = [*engine.embeddings.missed(fields.get("TI hashes", "")), *missed_networks(fields, engine.networks)]
    return {"fields": fields, "unknown": [*request_from_fields(fields).unknown], "missed": missed}


def last_paper(services: UiServices, request: Request, body: bytes) -> Any:
    """The infotext of the last picture that was made, whoever asked for it; empty where none is to be kept."""
    path, kept = services.paths.params, services.settings[LAST_INFOTEXT]
    return {"infotext": path.read_text("utf-8") if kept and path.is_file() else ""}


def models(services: UiServices, request: Request, body: bytes) -> Any:
    if request.method == "POST":
        services.engine.catalog.refresh()
        services.engine.upscalers.refresh()
    chosen = services.settings.get(options.CHECKPOINT_KEY)
    with contextlib.suppress(NotFoundError):  # by the title that it has now: a hash may have come to it
        chosen = chosen and services.engine.catalog.find_checkpoint(chosen).title
    return {
        "titles": checkpoint_titles(services),
        "broken": broken_titles(services),
        "chosen": chosen,
        "vaes": [one.name for one in services.engine.catalog.vaes() if not one.broken],
        "vae": services.settings[VAE],
    }


def choose(services: UiServices, request: Request, body: bytes) -> Any:
    """Choose the checkpoint; it loads in the background, jobs that are queued keep theirs."""
    change = {options.CHECKPOINT_KEY: read_json(body).get("title", "")}
    check_may_change(services.settings, services.options, change, owner=is_owner(request))
    check_choice(services.engine.catalog, change)
    services.settings.update(change)
    import threading

    threading.Thread(target=services.engine.preload, name="preload", daemon=True).start()
    return status_json(services)


def styles(services: UiServices, request: Request, body: bytes) -> Any:
    """GET: all. POST {"save": {name, prompt, negative}} or {"delete": name} or {"apply": names, prompt, negative}."""
    from modules.gradio_ui.styles_view import change_styles

    return change_styles(services.engine.styles, read_json(body))


def user_css(services: UiServices, request: Request, body: bytes) -> Response:
    path = services.paths.data / "user.css"
    return Response(path.read_bytes() if path.is_file() else b"", media_type="text/css", headers=NO_STORE)


def words(services: UiServices, request: Request, body: bytes) -> Any:
    return {code: texts.table(code) for code in texts.languages()}


def routes(services: UiServices) -> list[BaseRoute]:
    """All of them; to be registered before Gradio is mounted at /, which would shadow them."""

    def at(path: str, handler: Handler, *methods: str) -> Route:
        return Route(path, answering(handler, services), methods=list(methods or ("GET",)))

    return [
        at("/easel/status", status),
        at("/easel/jobs", jobs),
        at("/easel/jobs/clear", clear, "POST"),
        at("/easel/jobs/{id:str}", job),
        at("/easel/jobs/{id:str}/preview", preview),
        at("/easel/jobs/{id:str}/zip", archive),
        at("/easel/jobs/{id:str}/pictures/{index:int}", picture),
        at("/easel/jobs/{id:str}/pictures/{index:int}/save", save, "POST"),
        at("/easel/jobs/{id:str}/pictures/{index:int}/take", take, "POST"),
        at("/easel/jobs/{id:str}/{action:str}", act, "POST"),
        at("/easel/inputs", put_input, "POST"),
        at("/easel/inputs/{digest:str}", get_input),
        at("/easel/settings", get_settings),
        at("/easel/settings", put_settings, "POST"),
        at("/easel/tokens", tokens, "POST"),
        at("/easel/read-picture", read_picture, "POST"),
        at("/easel/parse", parse, "POST"),
        at("/easel/last-paper", last_paper),
        at("/easel/models", models, "GET", "POST"),
        at("/easel/models/choose", choose, "POST"),
        at("/easel/styles", styles, "GET", "POST"),
        at("/easel/words", words),
        at("/easel/cards", card_routes.cards),
        at("/easel/cards/one", card_routes.card),
        at("/easel/cards/notes", card_routes.keep_notes, "POST"),
        at("/easel/cards/preview", card_routes.keep_preview, "POST"),
        at("/sd_extra_networks/thumb", card_routes.thumb),
        at("/sd_extra_networks/metadata", card_routes.metadata),
        at("/sd_extra_networks/get-single-card", card_routes.single_card),
        at("/easel/user.css", user_css),
        Mount("/assets/easel", StaticFiles(directory=ASSETS), name="easel-assets"),
    ]
