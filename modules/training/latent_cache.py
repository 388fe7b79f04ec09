"""Latents on disk: shards of safetensors and an index that tells what is in them and their checksums.

A latent is found by a key made of the autoencoder's weights and of what the picture shows, so that another
autoencoder, size or cut is another latent, and a changed picture costs one encoding. A shard that is missing,
damaged or not the one that the index tells of counts as not there: what it held is encoded again, and nothing else.
Each shard is written before the index names it; a run stopped while encoding goes on with what it has.
"""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from modules.core.files import write_atomic
from modules.training.datasets.source import Source, mask_of
from modules.training.pictures import to_tensor

log = logging.getLogger(__name__)
BATCH = 16
SHARD = 1024  # latents in one file
INDEX = "index.json"


@dataclass(frozen=True)
class Shard:
    """sha256: of the whole file. keys: in the order of its rows."""

    file: str
    sha256: str
    keys: list[str]


@dataclass(frozen=True)
class Statistics:
    """Of the latents as the autoencoder gives them. mean, std: one per channel; overall: of all values together."""

    count: int
    mean: list[float]
    std: list[float]
    overall: float


def cached_latents(folder: Path, vae: AutoencoderKL, source: Source) -> list[Tensor]:
    """The mean latent of every item, not scaled, fp32 [C, h, w]; read from `folder`, or made and kept there."""
    weights = _digest_of_weights(vae)
    keys = [hashlib.sha256(f"{weights}/{source.key(item)}".encode()).hexdigest() for item in range(len(source.sizes))]
    wanted = set(keys)
    shards, found = _read(folder, wanted)
    missing = [item for item, key in enumerate(keys) if key not in found]
    if missing:
        log.info("Encoding %d of %d pictures", len(missing), len(keys))
    for items in _of_one_size(missing, source):
        batches = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
        latents = torch.cat([encode(vae, [source.picture(item) for item in batch]) for batch in batches])
        shard = _write(folder, latents, [keys[item] for item in items])
        shards = [*(one for one in shards if one.file != shard.file), shard]
        write_atomic(folder / INDEX, json.dumps([asdict(one) for one in shards]))
        found.update(zip(shard.keys, latents))
    return [found[key] for key in keys]


def loss_weights(source: Source, latents: Sequence[Tensor]) -> list[Tensor] | None:
    """How much each place of every item's latent counts: fp32 [1, h, w], mean 1; None when all count alike."""
    found = [mask_of(source, item, (one.shape[-1], one.shape[-2])) for item, one in enumerate(latents)]
    if all(one is None for one in found):
        return None
    return [
        torch.ones(1, *latent.shape[-2:]) if one is None else torch.from_numpy(one.copy())[None]
        for one, latent in zip(found, latents)
    ]


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Sequence[np.ndarray]) -> Tensor:
    """Mean latents of uint8 RGB pictures of one size, fp32 [N, C, h, w] on the CPU."""
    batch = to_tensor(np.stack(pictures)).to(vae.device)
    return vae.encode(batch).latent_dist.mode().float().contiguous().cpu()


def statistics(latents: Sequence[Tensor]) -> Statistics:
    """Every latent value counts alike, so that large pictures weigh more than small ones."""
    sums = torch.stack([one.double().sum((1, 2)) for one in latents]).sum(0)
    squares = torch.stack([one.double().square().sum((1, 2)) for one in latents]).sum(0)
    count = sum(one[0].numel() for one in latents)
    mean, every = sums / count, sums.sum() / (count * len(sums))
    std = (squares / count - mean.square()).sqrt()
    overall = (squares.sum() / (count * len(sums)) - every.square()).sqrt()
    return Statistics(len(latents), mean.tolist(), std.tolist(), float(overall))


def _read(folder: Path, wanted: set[str]) -> tuple[list[Shard], dict[str, Tensor]]:
    """The whole shards, and the wanted latents in them by key."""
    try:
        told = json.loads((folder / INDEX).read_text("utf-8"))
        shards = [Shard(**one) for one in told]
    except FileNotFoundError:
        return [], {}
    except (ValueError, TypeError):
        log.warning("%s is damaged: all latents are made anew", folder / INDEX)
        return [], {}
    whole, found = [], {}
    for shard in shards:
        if not wanted.intersection(shard.keys):  # of another autoencoder or size; checked when it is needed
            whole.append(shard)
            continue
        try:
            data = (folder / shard.file).read_bytes()
            if hashlib.sha256(data).hexdigest() != shard.sha256:
                raise ValueError("its checksum is another one")
            rows = load(data)["latents"]
            if len(rows) != len(shard.keys):
                raise ValueError(f"it has {len(rows)} rows, not {len(shard.keys)}")
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            log.warning("%s is not used, its latents are made anew: %s", shard.file, error)
            continue
        whole.append(shard)
        found.update((key, row) for key, row in zip(shard.keys, rows) if key in wanted)
    return whole, found


def _write(folder: Path, latents: Tensor, keys: list[str]) -> Shard:
    data = save({"latents": latents})
    name = hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
    write_atomic(folder / f"{name}.safetensors", data)
    return Shard(f"{name}.safetensors", hashlib.sha256(data).hexdigest(), keys)


def _of_one_size(items: list[int], source: Source) -> list[list[int]]:
    """Groups of at most SHARD items whose pictures have one size, in order."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for item in items:
        sizes.setdefault(source.sizes[item], []).append(item)
    return [group[at : at + SHARD] for group in sizes.values() for at in range(0, len(group), SHARD)]


def _digest_of_weights(vae: AutoencoderKL) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
