"""A trained model as a diffusers folder: `python -m modules.training.export RESULT TARGET [--notes FOLDER]`.

Stable Diffusion 1's classes, so that `diffusers.StableDiffusionPipeline.from_pretrained` reads it too.
"""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import argparse
import copy
import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from modules.core.errors import UserError
from modules.training.config import Diffusion
from modules.training.noise import TIMESTEPS, NoiseProcess

MOST_BYTES, MOST_FILE_BYTES = 48_000_000, 40_000_000


def make_scheduler(settings: Diffusion, process: NoiseProcess) -> DDIMScheduler | DPMSolverMultistepScheduler:
    """The training schedule; from it alphas_cumprod can be rebuilt exactly. Flow needs a solver that knows it."""
    if settings.prediction == "flow_prediction":
        return DPMSolverMultistepScheduler(
            num_train_timesteps=TIMESTEPS,
            prediction_type=settings.prediction,
            use_flow_sigmas=True,
            flow_shift=1.0,
            steps_offset=1,
        )
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=settings.beta_start,
        beta_end=process.beta_end,
        beta_schedule="squaredcos_cap_v2" if settings.schedule == "cosine" else "scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type=settings.prediction,
        timestep_spacing="trailing",
        steps_offset=1,
        rescale_betas_zero_snr=settings.zero_terminal_snr,
    )


def save_pipeline(
    folder: Path,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler | DPMSolverMultistepScheduler,
) -> None:
    """Write copies of the models as fp16; the given ones stay as they are."""
    parts = [copy.deepcopy(part).to(torch.float16) for part in (vae, text_encoder, unet)]
    pipeline = StableDiffusionPipeline(
        vae=parts[0],
        text_encoder=parts[1],
        tokenizer=tokenizer,
        unet=parts[2],
        scheduler=scheduler,
        safety_checker=None,  # pyright: ignore[reportArgumentType]
        feature_extractor=None,  # pyright: ignore[reportArgumentType]
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    about = folder / "text_encoder" / "config.json"  # transformers loads in the type named here, diffusers in fp32
    about.write_text(json.dumps({**json.loads(about.read_text()), "dtype": "float32"}, indent=2) + "\n")
    tokenizer.backend_tokenizer.model.save(str(folder / "tokenizer"))  # vocab.json and merges.txt, for older readers


def export(result: Path, target: Path, notes: Path | None = None) -> int:
    """Copy a result and its notes (README.md, easel.json) to `target`. Returns the bytes of it."""
    shutil.copytree(result, target, dirs_exist_ok=True)
    for name in ("README.md", "easel.json", "samples.jpg"):
        if notes is not None and (notes / name).is_file():
            shutil.copyfile(notes / name, target / name)
    sizes = {file: file.stat().st_size for file in target.rglob("*") if file.is_file()}
    for file, size in sizes.items():
        if size > MOST_FILE_BYTES:
            raise UserError(f"{file.name} has {size / 1e6:.1f} MB.", hint="Train a smaller model.")
    if sum(sizes.values()) > MOST_BYTES:
        raise UserError(f"{target} has {sum(sizes.values()) / 1e6:.1f} MB.", hint="Train a smaller model.")
    return sum(sizes.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m modules.training.export")
    parser.add_argument("result", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--notes", type=Path)
    given = parser.parse_args()
    export(given.result.expanduser(), given.target, given.notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
