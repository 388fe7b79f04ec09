from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from modules.training.coders.codebook import Codebook, perplexity
from modules.training.config import Codebook as Settings

CLUSTERS, CODES, NOISE = 16, 32, 0.05


def latents(seed: int, count: int = 256) -> torch.Tensor:
    """Vectors in 16 narrow clusters, one of which holds half of them."""
    generator = torch.Generator().manual_seed(seed)
    middles = torch.randn(CLUSTERS, 3, generator=torch.Generator().manual_seed(99)) * 3
    which = torch.randint(CLUSTERS, (count,), generator=generator)
    which[: count // 2] = 0
    return middles[which] + NOISE * torch.randn(count, 3, generator=generator)


def step(codebook: Codebook, seed: int, *, revive: bool = True) -> torch.Tensor:
    vectors = latents(seed)
    if revive:
        codebook.revive(vectors, torch.Generator().manual_seed(seed))
    indices = codebook.nearest(vectors)
    codebook.learn(vectors, indices)
    return indices


def collapsed() -> Codebook:
    """All codes but the first are so far away that no latent is nearest to them."""
    codebook = Codebook(Settings(size=CODES, decay=0.9), 3)
    codebook.codes[1:] = 1000
    codebook.counts.fill_(256 / CODES)
    codebook.sums.copy_(codebook.codes * 256 / CODES)
    return codebook


def test_dead_codes_come_back_and_perplexity_rises() -> None:
    left, helped = collapsed(), collapsed()
    for seed in range(60):
        step(left, seed, revive=False)
        step(helped, seed)
    every = latents(1000, 4096)
    indices, stuck = helped.nearest(every), left.nearest(every)
    shares = np.full(CLUSTERS, 0.5 / CLUSTERS)
    shares[0] += 0.5
    of_clusters = np.exp(-(shares * np.log(shares)).sum())  # 7.1
    assert float(perplexity(stuck, CODES)) == pytest.approx(1)
    assert float(perplexity(indices, CODES)) > of_clusters
    error = float((every - helped.codes[indices]).square().mean())
    assert error < 2 * NOISE**2, f"{error:.4f}: some cluster has no code of its own"


def test_the_first_batch_lays_out_the_codes() -> None:
    codebook, vectors = Codebook(Settings(size=8), 3), latents(1)
    assert codebook.revive(vectors, torch.Generator().manual_seed(0)) == 8
    assert all(bool((vectors == code).all(1).any()) for code in codebook.codes)
    assert codebook.revive(vectors, torch.Generator().manual_seed(0)) == 0


def test_codes_are_running_means() -> None:
    codebook = Codebook(Settings(size=4, decay=0.8), 3)
    codebook.revive(latents(0), torch.Generator().manual_seed(0))
    counts, sums = codebook.counts.double().numpy().copy(), codebook.sums.double().numpy().copy()
    for seed in range(1, 6):
        vectors, indices = latents(seed), codebook.nearest(latents(seed)).numpy()
        codebook.learn(vectors, torch.from_numpy(indices))
        for code in range(4):
            own = vectors.double().numpy()[indices == code]
            counts[code] = 0.8 * counts[code] + 0.2 * len(own)
            sums[code] = 0.8 * sums[code] + 0.2 * own.sum(0)
    smoothed = (counts + 1e-5) / (counts.sum() + 4e-5) * counts.sum()
    np.testing.assert_allclose(codebook.counts.numpy(), counts, rtol=1e-4)
    np.testing.assert_allclose(codebook.codes.numpy(), sums / smoothed[:, None], rtol=1e-3, atol=1e-4)


def test_the_nearest_code_is_the_nearest() -> None:
    torch.manual_seed(0)
    codebook, image = Codebook(Settings(size=16), 3), torch.randn(2, 3, 4, 5)
    codebook.codes.normal_()
    quantised, indices = codebook.quantise(image)
    for batch, row, column in np.ndindex(2, 4, 5):
        distances = [float((image[batch, :, row, column] - code).norm()) for code in codebook.codes]
        assert int(indices.view(2, 4, 5)[batch, row, column]) == int(np.argmin(distances))
        torch.testing.assert_close(quantised[batch, :, row, column], codebook.codes[int(np.argmin(distances))])


def test_perplexity_of_known_shares() -> None:
    assert float(perplexity(torch.arange(8), 8)) == pytest.approx(8)
    assert float(perplexity(torch.zeros(8, dtype=torch.long), 8)) == pytest.approx(1)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert float(perplexity(torch.tensor([0, 0, 0, 1]), 8)) == pytest.approx(np.exp(entropy))


PROCESS = """
import sys, torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from modules.training.coders.codebook import Codebook
from modules.training.config import Codebook as Settings
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
vectors = load_file(f"{folder}/vectors.safetensors")["vectors"].chunk(2)[rank].contiguous()
codebook = Codebook(Settings(size=8), 3)
codebook.revive(vectors, torch.Generator().manual_seed(rank))
start = codebook.codes.clone()
codebook.learn(vectors, codebook.nearest(vectors))
save_file({"start": start, "codes": codebook.codes, "counts": codebook.counts}, f"{folder}/{rank}.safetensors")
dist.destroy_process_group()
"""


def test_two_processes_keep_the_codebook_of_one(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    vectors = latents(3)
    save_file({"vectors": vectors}, tmp_path / "vectors.safetensors")
    root = Path(__file__).parents[3]
    both = [subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), str(tmp_path)], cwd=root) for rank in range(2)]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = Codebook(Settings(size=8), 3)
    alone.codes.copy_(first["start"])
    alone.counts.fill_(len(vectors) / 8)
    alone.sums.copy_(alone.codes * len(vectors) / 8)
    alone.learn(vectors, alone.nearest(vectors))
    torch.testing.assert_close(first["codes"], alone.codes)
    torch.testing.assert_close(first["counts"], alone.counts)
