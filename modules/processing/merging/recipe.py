"""What a merged file tells about itself: its name, its metadata, the config beside it. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from modules.imaging.names import safe_part
from modules.processing.merging.request import MergeCheckpoints, WeighedNetwork
from modules.processing.models.catalog import ModelFile
from modules.processing.networks.files import NetworkFile

METHODS = {"none": "No interpolation", "weighted_sum": "Weighted sum", "add_difference": "Add difference"}
ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-512",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl_refiner": "stable-diffusion-xl-v1-refiner",
}
LONGEST = 150  # characters of a made name


def result_name(request: MergeCheckpoints, files: Sequence[ModelFile]) -> str:
    """The wished name, or one that tells the recipe: "0.7(a) + 0.3(b)"."""
    if request.saving.name:
        return request.saving.name
    stems, m = [one.stem for one in files], request.multiplier
    if request.method == "weighted_sum":
        text = f"{1 - m:.4g}({stems[0]}) + {m:.4g}({stems[1]})"
    elif request.method == "add_difference":
        text = f"{stems[0]} + {m:.4g}({stems[1]} - {stems[2]})"
    else:
        text = stems[0]
    text += "".join(f" + {one.weight:.4g}({one.name})" for one in request.networks)
    special = {"inpaint": ".inpainting", "pix2pix": ".instruct-pix2pix"}.get(files[0].variant, "")
    return safe_part(text, LONGEST) + special


def networks_name(networks: Sequence[WeighedNetwork]) -> str:
    return safe_part(" + ".join(f"{one.weight:.4g}({one.name})" for one in networks), LONGEST)


def free_path(folder: Path, name: str, ending: str) -> Path:
    """`name` in `folder`, with a number where it is taken: nothing is overwritten."""
    path, count = folder / f"{name}{ending}", 2
    while path.exists():
        path, count = folder / f"{name} ({count}){ending}", count + 1
    return path


def checkpoint_metadata(
    request: MergeCheckpoints, files: Sequence[ModelFile], theirs: Sequence[Mapping[str, str]], title: str
) -> dict[str, str]:
    """modelspec's fields, the recipe in A1111's (`sd_merge_recipe`, `sd_merge_models`), what the sources said."""
    found: dict[str, str] = {}
    for one in reversed(theirs) if request.saving.copy else ():
        found |= one
    found.pop("sd_merge_recipe", None)
    prediction = {"v_prediction": "v"}.get(files[0].prediction, files[0].prediction)
    found |= _modelspec(files[0].family, prediction, title) | {
        "modelspec.merged_from": ", ".join(one.stem for one in files)
    }
    if request.saving.recipe:
        found |= {"sd_merge_recipe": json.dumps(_recipe(request, files)), "sd_merge_models": _models(files, theirs)}
    return found | dict(request.saving.extra)


def network_metadata(
    like: ModelFile | NetworkFile, rank: int, title: str, merged_from: Sequence[str]
) -> dict[str, str]:
    """kohya's and modelspec's fields of a LoRA, whose alpha is its rank."""
    v2, v = like.family == "sd2", isinstance(like, ModelFile) and like.prediction == "v_prediction"
    base = {"sdxl": "sdxl_base_v1-0", "sd2": "sd_v2_v" if v else "sd_v2"}.get(like.family, "sd_v1")
    return {
        "ss_v2": str(v2),
        "ss_base_model_version": base,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(rank)),
        "ss_output_name": title,
        **_modelspec(like.family, "v" if v else "", title, kind="/lora"),
        "modelspec.merged_from": ", ".join(merged_from),
    }


def config_beside(request: MergeCheckpoints, files: Sequence[ModelFile]) -> Path | None:
    """The .yaml that the result is to have beside it too."""
    wanted = {"any": files, "secondary": files[1:2], "tertiary": files[2:3], "none": ()}[request.config_from]
    found = (one.path.with_suffix(".yaml") for one in wanted if one.path.is_file())
    return next((one for one in found if one.is_file()), None)


def _modelspec(family: str, prediction: str, title: str, kind: str = "") -> dict[str, str]:
    """The Stability AI model metadata standard 1.0.1, as far as merging knows."""
    v = family == "sd2" and prediction == "v"
    architecture = "stable-diffusion-v2-768-v" if v else ARCHITECTURES.get(family, "stable-diffusion-v1")
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": architecture + kind,
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": title,
        **({"modelspec.prediction_type": prediction} if prediction else {}),
    }


def _recipe(request: MergeCheckpoints, files: Sequence[ModelFile]) -> dict[str, object]:
    hashes = [one.sha256 for one in files] + [None, None]
    return {
        "type": "easel",
        "primary_model_hash": hashes[0],
        "secondary_model_hash": hashes[1],
        "tertiary_model_hash": hashes[2],
        "interp_method": METHODS[request.method],
        "multiplier": request.multiplier,
        "save_as_half": request.saving.precision == "fp16",
        "precision": request.saving.precision,
        "custom_name": request.saving.name,
        "config_source": request.config_from,
        "bake_in_vae": request.vae,
        "discard_weights": request.discard,
        "is_inpainting": files[0].variant == "inpaint",
        "is_instruct_pix2pix": files[0].variant == "pix2pix",
        "networks": [asdict(one) for one in request.networks],
    }


def _models(files: Sequence[ModelFile], theirs: Sequence[Mapping[str, str]]) -> str:
    """By hash: name and, where a source was merged itself, its recipe; then what its own sources were."""
    found: dict[str, object] = {}
    for file, told in zip(files, theirs):
        found |= _json(told.get("sd_merge_models"))
        recipe = _json(told.get("sd_merge_recipe"))
        found[file.sha256 or file.name] = {"name": file.name, "sd_merge_recipe": recipe or None}
    return json.dumps(found)


def _json(text: str | None) -> dict[str, object]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
