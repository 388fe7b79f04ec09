"""What A1111's API calls `info`: the facts of a finished request, ready for JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence

from modules.core.version import VERSION
from modules.processing.progress import Picture
from modules.processing.resolve import Plan


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
        "denoising_strength": None,
        "extra_generation_params": {},
        "index_of_first_image": 1 if pictures and pictures[0].kind == "grid" else 0,
        "infotexts": [one.infotext for one in pictures],
        "styles": [],
        "job_timestamp": time.strftime("%Y%m%d%H%M%S"),
        "clip_skip": plan.text.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": VERSION,
        "images_finished": len(samples),
        "warnings": list(plan.notes),
    }
