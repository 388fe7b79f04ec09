"""Latents of scenes on disk, named by what they were made from: another autoencoder or other scenes, another file."""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import Scene, draw
from modules.training.methods.autoencoder import to_tensor

log = logging.getLogger(__name__)
BATCH = 16


def cached_latents(folder: Path, vae: AutoencoderKL, scenes: list[Scene], pictures: PictureSet) -> Tensor:
    """The mean latents of all scenes, scaled, fp32 [N, C, h, w]; read from `folder`, or made and kept there."""
    path = folder / f"latents-{_key(vae, scenes, pictures)}.safetensors"
    if path.is_file():
        try:
            found = load_file(path)["latents"]
            if len(found) == len(scenes) and bool(torch.isfinite(found).all()):
                return found
        except (SafetensorError, KeyError):
            log.warning("%s is damaged and is made anew", path.name)
    made = [encode(vae, scenes[at : at + BATCH], pictures) for at in range(0, len(scenes), BATCH)]
    latents = torch.cat(made).contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    save_file({"latents": latents}, beside)
    beside.replace(path)
    return latents


@torch.no_grad()
def encode(vae: AutoencoderKL, scenes: list[Scene], pictures: PictureSet) -> Tensor:
    batch = to_tensor(np.stack([draw(scene, pictures) for scene in scenes])).to(vae.device)
    latents = vae.encode(batch).latent_dist.mode() * vae.config["scaling_factor"]
    return latents.float().contiguous().cpu()


def _key(vae: AutoencoderKL, scenes: list[Scene], pictures: PictureSet) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    digest.update(json.dumps([asdict(scene) for scene in scenes]).encode())
    digest.update(f"{pictures.pictures.shape}{[one.hexcode for one in pictures.subjects]}".encode())
    return digest.hexdigest()[:16]
