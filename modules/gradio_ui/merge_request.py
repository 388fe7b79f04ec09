"""The Merge form's values by name as a request."""

from __future__ import annotations

import json
from typing import Any

from modules.core.errors import UserError
from modules.gradio_ui.generation_request import Values, real, whole
from modules.processing.merging.request import MergeRequest, merge_request
from modules.prompting.networks import Network, parse_networks

CONTROLS = {  # field: id of its control, without the tab's name
    "primary": "primary_model_name",
    "secondary": "secondary_model_name",
    "tertiary": "tertiary_model_name",
    "method": "interp_method",
    "multiplier": "interp_amount",
    "networks": "networks",
    "vae": "bake_in_vae",
    "discard": "discard_weights",
    "tuned": "tuned",
    "base": "base",
    "rank": "rank",
    "conv_rank": "conv_rank",
    "saving.name": "custom_name",
    "saving.extra": "metadata_json",
}


def control_of(field: str) -> str:
    """The id of the control that a field of a request is set with."""
    name = CONTROLS.get(field, CONTROLS.get(field.split("[")[0], ""))
    return f"modelmerger_{name}" if name else ""


def merge_request_of(values: Values) -> MergeRequest:
    """UserError names the field of the request that cannot be granted."""
    saving = {
        "name": values.get("name") or "",
        "precision": values.get("precision") or "same",
        "recipe": bool(values.get("recipe")),
        "copy": bool(values.get("copy")),
        "extra": _extra(values.get("extra") or ""),
    }
    mode = values.get("mode") or "checkpoints"
    if mode == "extract":
        return merge_request(
            {
                "kind": mode,
                "tuned": values.get("tuned") or "",
                "base": values.get("base") or "",
                "rank": whole(values, "extract_rank", 32),
                "conv_rank": whole(values, "extract_conv_rank", 0),
                "text_encoder": bool(values.get("extract_text")),
                "saving": saving,
            }
        )
    if mode == "networks":
        networks = _networks(values.get("several") or "")
        ranks = {"rank": whole(values, "rank", 0), "conv_rank": whole(values, "conv_rank", 0)}
        return merge_request({"kind": mode, "networks": networks, **ranks, "saving": saving})
    vae = values.get("vae") or ""
    return merge_request(
        {
            "kind": "checkpoints",
            **{name: values.get(name) or "" for name in ("primary", "secondary", "tertiary")},
            "method": values.get("method") or "weighted_sum",
            "multiplier": real(values, "multiplier", 0.3),
            "networks": _networks(values.get("networks") or ""),
            "vae": "" if vae == "None" else vae,
            "discard": values.get("discard") or "",
            "config_from": values.get("config_from") or "any",
            "saving": saving,
        }
    )


def _networks(text: str) -> list[dict[str, Any]]:
    """<lora:name:weight> as in a prompt, or a name alone in each line."""
    rest, found = parse_networks(text)
    wanted = [_weighed(one) for one in found]
    return wanted + [{"name": line.strip()} for line in rest.splitlines() if line.strip()]


def _weighed(network: Network) -> dict[str, Any]:
    """te and unet weights by place or by name; unet is te where it is not told."""
    told = dict(zip(("te", "unet"), network.args[1:])) | dict(network.named)
    try:
        text = float(told.get("te", 1))
        return {"name": network.args[0], "weight": float(told.get("unet", text)), "text_weight": text}
    except (ValueError, IndexError):
        raise UserError(
            f"<{network.kind}:{':'.join(network.args)}> is no network with a weight.",
            hint="Write <lora:name:0.8>.",
            field="networks",
        ) from None


def _extra(text: str) -> dict[str, str]:
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
        return {str(key): one if isinstance(one, str) else json.dumps(one) for key, one in found.items()}
    except (ValueError, AttributeError):
        raise UserError(
            "The metadata are not a JSON object.", hint='Such as {"note": "..."}.', field="saving.extra"
        ) from None
