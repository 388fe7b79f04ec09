"""Gradient-domain editing: Pérez, Gangnet, Blake 2003, "Poisson Image Editing"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.core.lazy import lazy_import

if TYPE_CHECKING:
    from scipy import fft, sparse
    from scipy.sparse import linalg
else:  # 0.2 s that the page need not wait for
    fft, sparse, linalg = (lazy_import(f"scipy.{name}") for name in ("fft", "sparse", "sparse.linalg"))

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COARSEST = 4000  # unknowns that a direct solver takes in a moment
PRECISION = 0.01  # of a level of 255


def poisson_blend(original: Image.Image, painted: Image.Image, mask: Image.Image) -> Image.Image:
    """Inside the mask (above 127) the painted picture's gradients, shifted so that they meet the original; RGB.

    Outside, each byte is the original's. The picture's own border is free. A mask over everything has nothing to meet:
    the painted picture comes back.
    """
    inside = np.asarray(mask.convert("L")) > 127
    before, new = (np.asarray(one.convert("RGB"), np.float64) for one in (original, painted))
    if inside.all() or not inside.any():
        return Image.fromarray((new if inside.all() else before).astype(np.uint8))
    made = new + membrane(inside, before - new)
    made = np.where(inside[..., None], made, before)
    return Image.fromarray(np.rint(made.clip(0, 255)).astype(np.uint8))


def membrane(inside: Bools, known: Floats) -> Floats:
    """`known` [h, w, C] outside; inside, the smoothest continuation of it: each pixel the mean of its neighbours."""
    made = known.copy()
    matrix, rhs = _laplace(inside, known)
    made[inside] = _conjugate_gradients(matrix, rhs, _Multigrid(matrix, inside))
    return made


def screened_poisson(across: Floats, down: Floats, weight: float) -> Floats:
    """The u [h, w] that is least in sum (du/dx - across)^2 + (du/dy - down)^2 + weight * u^2; the border is free.

    across: [h, w - 1], down: [h - 1, w]: differences to the next pixel. weight: above 0; shifts fade over
    1 / sqrt(weight) pixels. Exact, by the cosine transform.
    """
    divergence = np.zeros((across.shape[0], down.shape[1]))
    divergence[:, 1:] += across
    divergence[:, :-1] -= across
    divergence[1:] += down
    divergence[:-1] -= down
    height, width = divergence.shape
    eigenvalues = sum(
        2 - 2 * np.cos(np.pi * np.arange(count) / count).reshape(shape)
        for count, shape in ((height, (-1, 1)), (width, (1, -1)))
    )
    waves = np.asarray(fft.dctn(divergence)) / (eigenvalues + weight)
    return np.asarray(fft.idctn(waves))


def _laplace(inside: Bools, known: Floats) -> tuple[sparse.csr_matrix, Floats]:
    """The equations of the pixels inside, in their order: positive definite matrix [n, n] and right side [n, C]."""
    count = int(inside.sum())
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(count)
    neighbours, rhs = np.zeros(count), np.zeros((count, known.shape[-1]))
    rows, columns = [], []
    for here, there in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[1:], np.s_[:-1]),
    ):
        at = inside[here]
        own, other = number[here][at], number[there][at]
        neighbours[own] += 1
        border = other < 0
        rhs[own[border]] += known[there][at][border]
        rows.append(own[~border])
        columns.append(other[~border])
    diagonal = np.arange(count)
    row, column = np.concatenate([*rows, diagonal]), np.concatenate([*columns, diagonal])
    values = np.concatenate([np.full(len(row) - count, -1.0), neighbours])
    return sparse.csr_matrix((values, (row, column)), shape=(count, count)), rhs


@dataclass(frozen=True)
class _Level:
    """Equations of one size, and `down`, the bilinear way from the next coarser level's unknowns to these."""

    matrix: sparse.csr_matrix
    damping: Floats  # [n, 1]: Jacobi's step
    down: sparse.csr_matrix


class _Multigrid:
    """A V-cycle over halved grids, each with the equations that the finer one implies (Galerkin)."""

    def __init__(self, matrix: sparse.csr_matrix, inside: Bools) -> None:
        self.levels: list[_Level] = []
        while inside.sum() > COARSEST:
            kept = inside[::2, ::2]
            down = sparse.csr_matrix(sparse.kron(_halfway(inside.shape[0]), _halfway(inside.shape[1])))
            down = down[np.flatnonzero(inside)][:, np.flatnonzero(kept)]
            damping = 0.7 / np.asarray(matrix.diagonal(), np.float64)[:, None]
            self.levels.append(_Level(matrix, damping, down))
            matrix, inside = sparse.csr_matrix(down.T @ matrix @ down), kept
        self.solver = linalg.splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A") if inside.any() else None

    def __call__(self, rhs: Floats, level: int = 0) -> Floats:
        """About the solution; symmetric, so that conjugate gradients may build on it."""
        if level == len(self.levels):
            return self.solver.solve(rhs) if self.solver else rhs
        here = self.levels[level]
        x = here.damping * rhs
        x += here.damping * (rhs - here.matrix @ x)
        x += here.down @ self(here.down.T @ (rhs - here.matrix @ x), level + 1)
        x += here.damping * (rhs - here.matrix @ x)
        x += here.damping * (rhs - here.matrix @ x)
        return x


def _halfway(count: int) -> sparse.csr_matrix:
    """[count, ceil(count / 2)]: even places keep their value, odd ones get the mean of their neighbours."""
    place = np.arange(count)
    left, right = place // 2, np.minimum((place + 1) // 2, (count - 1) // 2)
    rows, columns = np.concatenate([place, place]), np.concatenate([left, right])
    return sparse.csr_matrix((np.full(2 * count, 0.5), (rows, columns)))


def _conjugate_gradients(matrix: sparse.csr_matrix, rhs: Floats, about: _Multigrid) -> Floats:
    """Hestenes and Stiefel 1952, preconditioned, all channels at once."""
    x = np.zeros_like(rhs)
    residual, z = rhs, about(rhs)
    step, energy = z, (rhs * z).sum(0)
    while np.abs(z).max() > PRECISION:  # z is about the error that is left
        moved = matrix @ step
        size = energy / np.maximum((step * moved).sum(0), 1e-30)
        x = x + size * step
        residual = residual - size * moved
        z = about(residual)
        energy, last = (residual * z).sum(0), energy
        step = z + energy / np.maximum(last, 1e-30) * step
    return x
