"""The codebook of a VQ autoencoder: codes are running means of the latents nearest to them (arXiv:1711.00937, A.1)."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from modules.training.config import Codebook as Settings

SMOOTHING = 1e-5  # of the counts, so that no code is divided by 0


class Codebook(nn.Module):
    """`codes` [size, channels]. All state is in buffers: no gradient reaches it, `revive` and `learn` change it.

    At first no code is used, so that the first `revive` lays them all out among the latents of the first batch.
    """

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, settings: Settings, channels: int) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("codes", torch.zeros(settings.size, channels))
        self.register_buffer("counts", torch.zeros(settings.size))
        self.register_buffer("sums", torch.zeros(settings.size, channels))

    def nearest(self, vectors: Tensor) -> Tensor:
        """The index of the nearest code of each of [N, channels]."""
        return torch.argmin(torch.cdist(vectors, self.codes), dim=1)  # as diffusers' VectorQuantizer chooses

    def quantise(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest codes in the place of latents [B, C, h, w], and their indices [B * h * w]."""
        vectors = as_vectors(latents)
        indices = self.nearest(vectors)
        batch, _, height, width = latents.shape
        return self.codes[indices].view(batch, height, width, -1).permute(0, 3, 1, 2), indices

    @torch.no_grad()
    def revive(self, vectors: Tensor, generator: torch.Generator) -> int:
        """Put codes that are hardly used where latents are far from every code. Returns how many there were."""
        total = _over_processes(torch.tensor(float(len(vectors)), device=vectors.device))
        fair_share = float(total) / self.settings.size
        dead = torch.nonzero(self.counts < self.settings.revive_below * fair_share).flatten()
        if len(dead) == 0:
            return 0
        error = (vectors - self.codes[self.nearest(vectors)]).square().sum(1)
        fresh = spread(vectors.cpu(), error.cpu(), len(dead), generator).to(vectors.device)
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(fresh, src=0)
        self.codes[dead] = fresh
        self.counts[dead] = fair_share  # time to prove itself
        self.sums[dead] = fresh * fair_share
        return len(dead)

    @torch.no_grad()
    def learn(self, vectors: Tensor, indices: Tensor) -> None:
        """Move the codes towards the means of the latents that chose them."""
        counts = torch.bincount(indices, minlength=self.settings.size).to(vectors.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.lerp_(_over_processes(counts), 1 - self.settings.decay)
        self.sums.lerp_(_over_processes(sums), 1 - self.settings.decay)
        total = self.counts.sum()
        smoothed = (self.counts + SMOOTHING) / (total + self.settings.size * SMOOTHING) * total
        self.codes.copy_(self.sums / smoothed[:, None])


def spread(vectors: Tensor, error: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the vectors, far from each other as k-means++ seeds: many are alike (a plain background).

    `error` is every vector's squared distance to what is there already, [N].
    """
    chosen = []
    for _ in range(count):
        chosen.append(vectors[torch.multinomial(error + 1e-8, 1, generator=generator)])
        error = torch.minimum(error, (vectors - chosen[-1]).square().sum(1))
    return torch.cat(chosen)


def as_vectors(latents: Tensor) -> Tensor:
    """[B, C, h, w] to float [B * h * w, C]."""
    return latents.float().permute(0, 2, 3, 1).flatten(0, 2)


def perplexity(indices: Tensor, size: int) -> Tensor:
    """exp of the entropy of how often each of `size` codes was chosen: `size` if all alike, 1 if only one."""
    share = torch.bincount(indices, minlength=size).float() / len(indices)
    return torch.exp(-torch.xlogy(share, share).sum())


def _over_processes(values: Tensor) -> Tensor:
    """The sum over all processes, so that every one keeps the same codebook."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(values)
    return values
