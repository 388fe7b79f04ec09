"""NovelAI: the prompt as Description, the rest as JSON in Comment."""

from __future__ import annotations

from collections.abc import Mapping

from modules.imaging.foreign.foreign import Foreign, left_over, plain, read_object, readers, words
from modules.imaging.foreign.names import SCHEDULES, sampler_label

KNOWN = ("prompt", "uc", "steps", "sampler", "scale", "seed", "width", "height", "noise_schedule", "strength")
QUIET = ("request_type", "signed_hash", "n_samples", "v4_prompt", "v4_negative_prompt", "version")


@readers.register("NovelAI")
def novelai(items: Mapping[str, str], size: tuple[int, int]) -> Foreign | None:
    comment = read_object(items.get("Comment"))
    if comment is None or (items.get("Software") != "NovelAI" and not {"uc", "scale"} <= comment.keys()):
        return None
    prompt = words(items.get("Description")) or words(comment.get("prompt"))
    unknown = left_over(comment, (*KNOWN, *QUIET))
    if "{" in prompt or "[" in prompt:
        unknown = ("The prompt's { } and [ ], which weigh by 1.05 there.", *unknown)
    schedule = words(comment.get("noise_schedule"))
    fields = {
        "Steps": plain(comment.get("steps")),
        "Sampler": sampler_label(words(comment.get("sampler")) or "k_euler_ancestral"),
        "Schedule type": SCHEDULES.get(schedule) if schedule != "native" else None,
        "CFG scale": plain(comment.get("scale")),
        "Seed": plain(comment.get("seed")),
        "Size": f"{comment.get('width', size[0])}x{comment.get('height', size[1])}",
        "Denoising strength": plain(comment.get("strength")),
        "Clip skip": 2,
        "ENSD": 31337,
    }
    return Foreign(program="NovelAI", prompt=prompt, negative=words(comment.get("uc")), fields=fields, unknown=unknown)
