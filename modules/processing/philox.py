"""NVIDIA's random numbers on any machine: Philox 4x32-10 (Salmon et al. 2011) and the Box-Muller step of cuRAND.

Gives what torch.randn(..., device="cuda") gives for a seed, for up to a few million values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)


def _rounds(counter: list[NDArray[np.uint64]], seed: int) -> list[NDArray[np.uint64]]:
    """Ten rounds on counters (four rows of 32-bit words held in 64 bits) under the key `seed`."""
    key = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
    for _ in range(10):
        first, second = counter[0] * _MULTIPLIERS[0], counter[2] * _MULTIPLIERS[1]
        counter = [
            (second >> np.uint64(32)) ^ counter[1] ^ np.uint64(key[0]),
            second & _LOW,
            (first >> np.uint64(32)) ^ counter[3] ^ np.uint64(key[1]),
            first & _LOW,
        ]
        key = [(part + step) & 0xFFFFFFFF for part, step in zip(key, _WEYL)]
    return counter


class PhiloxGenerator:
    """One CUDA generator; each draw moves on as one kernel launch would."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.offset = 0

    def normal(self, count: int) -> NDArray[np.float32]:
        """`count` standard normal values."""
        index = np.arange(count, dtype=np.uint64)
        zero = np.zeros(count, dtype=np.uint64)
        words = _rounds([zero + np.uint64(self.offset), zero, index, zero], self.seed)
        self.offset += 1
        scale = np.float32(2.3283064e-10)  # 2 ** -32
        u = words[0].astype(np.float32) * scale + scale / np.float32(2)
        v = words[1].astype(np.float32) * (scale * np.float32(2 * np.pi)) + scale * np.float32(np.pi)
        return (np.sqrt(np.float32(-2.0) * np.log(u)) * np.sin(v)).astype(np.float32)
