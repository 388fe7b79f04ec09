"""A finished request: its pictures, and what A1111's API calls `info`, the facts of it ready for JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modules.core.version import VERSION
from modules.processing.networks.hashes import networks_of
from modules.processing.papers import denoising_strength, extra_fields
from modules.processing.plan import NetworkPlan, Plan
from modules.processing.progress import Picture

LISTS = ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds")  # one entry a picture


@dataclass(frozen=True, kw_only=True)
class Result:
    """All pictures of a request; `info` is what A1111's API calls info, ready for JSON."""

    pictures: tuple[Picture, ...]
    info: dict[str, object]
    seconds: float = 0.0
    peak_bytes: int = 0
    interrupted: bool = False


def result_info(plan: Plan, pictures: Sequence[Picture]) -> dict[str, object]:
    """A1111's fields by their names, and `warnings`: what a person should know about this run."""
    first = plan.pictures[0]
    samples = [one for one in pictures if one.kind == "sample"]
    model, vae, shape = plan.model.checkpoint, plan.model.vae, plan.request.shape
    height, width = plan.noise.resize_from
    return {
        "prompt": first.prompt,
        "all_prompts": [one.prompt for one in plan.pictures],
        "negative_prompt": first.negative,
        "all_negative_prompts": [one.negative for one in plan.pictures],
        "seed": first.seed,
        "all_seeds": [one.seed for one in plan.pictures],
        "subseed": first.variation,
        "all_subseeds": [one.variation for one in plan.pictures],
        "subseed_strength": plan.noise.strength,
        "width": shape.width,
        "height": shape.height,
        "sampler_name": plan.sampling.sampler,
        "scheduler": plan.sampling.schedule,
        "cfg_scale": plan.guidance.cfg_scale,
        "steps": plan.sampling.steps,
        "batch_size": shape.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": model.stem,
        "sd_model_hash": model.short_hash,
        "sd_vae_name": vae.path.name if vae else None,
        "sd_vae_hash": vae.short_hash if vae else None,
        "seed_resize_from_w": width or -1,
        "seed_resize_from_h": height or -1,
        "denoising_strength": denoising_strength(plan),
        "extra_generation_params": extra_fields(plan, first),
        "index_of_first_image": 1 if pictures and pictures[0].kind == "grid" else 0,
        "infotexts": [one.infotext for one in pictures],
        "styles": [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S"),
        "clip_skip": plan.text.clip_skip,
        "is_using_inpainting_conditioning": model.variant == "inpaint",
        "version": VERSION,
        "images_finished": len(samples),
        "networks": [_network(one) for one in networks_of(plan)],
        "warnings": list(plan.notes),
    }


def _network(plan: NetworkPlan) -> dict[str, object]:
    """Our own: how a network was used, and how it fits the model."""
    file = plan.file
    return {
        "name": file.name,
        "hash": file.short_hash,
        "kind": file.kind,
        "rank": file.rank,
        "family": file.family,
        "base": file.base,
        "te": plan.te,
        "unet": plan.unet,
        "matched": plan.matched,
        "total": plan.total,
    }


def join_infos(
    infos: Sequence[Mapping[str, object]], pictures: Sequence[Picture], warnings: Sequence[str]
) -> dict[str, object]:
    """One info of several requests: facts of the first, lists of all of them. Grids come first in `pictures`."""
    lists = {name: [value for one in infos for value in _list(one, name)] for name in LISTS}
    told = dict.fromkeys([*(text for one in infos for text in _list(one, "warnings")), *warnings])
    return {
        **(infos[0] if infos else {}),
        **lists,
        "infotexts": [one.infotext for one in pictures],
        "index_of_first_image": next((at for at, one in enumerate(pictures) if one.kind != "grid"), len(pictures)),
        "images_finished": sum(one.kind == "sample" for one in pictures),
        "warnings": list(told),
    }


def _list(info: Mapping[str, object], name: str) -> list[object]:
    found = info.get(name)
    return list(found) if isinstance(found, list) else []  # pyright: ignore[reportUnknownArgumentType]
