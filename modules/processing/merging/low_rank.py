"""The nearest matrices of a low rank: what a LoRA can hold of a change of weights. Needs torch."""

from __future__ import annotations

import torch
from torch import Tensor

OVERSAMPLING = 2  # of the random range: a rank-r matrix is met exactly, others within 1e-4 of the best error (measured)
POWER_STEPS = 4


def nearest(change: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(up, down) of at most this rank, with up @ down nearest to `change` in the sum of squares; fp32.

    change: [out, in] or [out, in, kh, kw]; up: [out, r] or [out, r, 1, 1], down: [r, in] or [r, in, kh, kw]. Both get
    the square root of the singular values, so that half precision loses the same of each.
    Randomised SVD (Halko, Martinsson and Tropp 2011, arXiv:0909.4061), the same at every call; exact for small ones.
    """
    flat = change.float().flatten(1)
    rank = min(rank, *flat.shape)
    if OVERSAMPLING * rank >= min(flat.shape) // 2:
        u, s, vh = torch.linalg.svd(flat, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, s, v = torch.svd_lowrank(flat, q=OVERSAMPLING * rank, niter=POWER_STEPS)
        vh = v.T
    root = s[:rank].sqrt()
    up, down = u[:, :rank] * root, root[:, None] * vh[:rank]
    if change.ndim == 4:
        return up[:, :, None, None].contiguous(), down.reshape(rank, *change.shape[1:]).contiguous()
    return up.contiguous(), down.contiguous()
