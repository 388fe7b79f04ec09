"""What there is to choose from: samplers, schedules, models, styles; looking again, unloading, memory."""

from __future__ import annotations

from typing import Any

import psutil
from fastapi import APIRouter

from modules.api.services import Services
from modules.core.errors import EaselError
from modules.processing.memory.cuda import cuda_memory
from modules.processing.networks.embeddings import EmbeddingFile, fitting, model_widths
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules
from modules.processing.upscalers import LATENT_MODES


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/sdapi/v1", tags=["lists"])
    _add_choices(router, services)
    _add_models(router, services)
    return router


def _add_choices(router: APIRouter, services: Services) -> None:
    @router.get("/samplers")
    def list_samplers() -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "aliases": samplers.aliases(name),
                "options": {"scheduler": _schedule_name(sampler.default_schedule)} if sampler.default_schedule else {},
            }
            for name, sampler in samplers.items()
        ]

    @router.get("/schedulers")
    def list_schedulers() -> list[dict[str, Any]]:
        return [
            {
                "name": _schedule_name(name),
                "label": name,
                "aliases": schedules.aliases(name) or None,
                "default_rho": getattr(schedule, "default_rho", -1.0),
                "need_inner_model": getattr(schedule, "needs_model", False),
            }
            for name, schedule in schedules.items()
        ]

    @router.get("/upscalers")
    def list_upscalers() -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "model_name": one.path and one.path.name,
                "model_path": one.path and one.path.name,
                "model_url": None,
                "scale": one.scale,
            }
            for one in services.engine.upscalers.all()
        ]

    @router.get("/realesrgan-models")
    def list_realesrgan_models() -> list[dict[str, Any]]:
        found = [one for one in services.engine.upscalers.all() if one.folder == "RealESRGAN" and one.path]
        return [{"name": one.name, "path": one.path and one.path.name, "scale": one.scale} for one in found]

    @router.get("/face-restorers")
    def list_face_restorers() -> list[dict[str, Any]]:
        return [{"name": name, "cmd_dir": None} for name in services.engine.faces.names()]

    @router.get("/latent-upscale-modes")
    def list_latent_modes() -> list[dict[str, str]]:
        return [{"name": name} for name in LATENT_MODES]

    @router.get("/prompt-styles")
    def list_styles() -> list[dict[str, Any]]:
        book = services.engine.styles
        found = [(name, book.get(name)) for name in book.names()]
        return [{"name": name, "prompt": one.prompt, "negative_prompt": one.negative_prompt} for name, one in found]

    @router.get("/embeddings")
    def list_embeddings() -> dict[str, Any]:
        """Of the chosen checkpoint; `reason` says why one was skipped."""
        engine = services.engine
        widths = model_widths(engine.catalog.default(engine.settings))
        files = engine.embeddings.files()
        loaded = fitting(files, widths)
        skipped = {one.name: one for one in files if one.name not in loaded}
        return {
            "loaded": {name: _embedding(one) for name, one in loaded.items()},
            "skipped": {name: {**_embedding(one), "reason": one.misfit(widths)} for name, one in skipped.items()},
        }

    @router.get("/loras")
    def list_loras() -> list[dict[str, Any]]:
        files = services.engine.networks.files()
        return [
            {
                "name": one.name,
                "alias": one.alias,
                "path": one.path.relative_to(one.folder).as_posix(),
                "metadata": dict(one.metadata),
            }
            for one in files
            if not one.broken
        ]

    @router.post("/refresh-loras")
    def refresh_loras() -> None:
        services.engine.networks.refresh()

    @router.post("/refresh-embeddings")
    def refresh_embeddings() -> None:
        services.engine.embeddings.refresh()


def _embedding(file: EmbeddingFile) -> dict[str, Any]:
    return {
        "step": file.step,
        "sd_checkpoint": file.checkpoint,
        "sd_checkpoint_name": file.checkpoint_name,
        "shape": file.width,
        "vectors": file.vectors,
    }


def _schedule_name(label: str) -> str:
    return label.lower().replace(" ", "_")


def _add_models(router: APIRouter, services: Services) -> None:
    catalog = services.engine.catalog

    @router.get("/sd-models")
    def list_models() -> list[dict[str, Any]]:
        return [
            {
                "title": one.title,
                "model_name": one.stem,
                "hash": one.short_hash,
                "sha256": one.sha256,
                "filename": one.name,
                "config": None,
            }
            for one in catalog.checkpoints()
            if not one.broken
        ]

    @router.get("/sd-vae")
    def list_vaes() -> list[dict[str, Any]]:
        return [{"model_name": one.path.name, "filename": one.name} for one in catalog.vaes() if not one.broken]

    @router.post("/refresh-checkpoints")
    def refresh_checkpoints() -> None:
        """Upscalers, too: no route of A1111's looks for them again."""
        catalog.refresh()
        services.engine.upscalers.refresh()

    @router.post("/refresh-vae")
    def refresh_vaes() -> None:
        catalog.refresh()

    @router.post("/unload-checkpoint")
    def unload() -> dict[str, Any]:
        services.engine.unload()
        return {}

    @router.post("/reload-checkpoint")
    def reload() -> dict[str, Any]:
        services.engine.preload()
        status = services.engine.status()
        if status.state == "failed":
            raise EaselError(status.detail)
        return {}

    @router.get("/memory")
    def memory() -> dict[str, Any]:
        """Bytes: of the machine and this process, and of the CUDA device as PyTorch counts them."""
        machine, used = psutil.virtual_memory(), psutil.Process().memory_info().rss
        ram = {"free": machine.available, "used": used, "total": machine.total}
        return {"ram": ram, "cuda": cuda_memory()}
