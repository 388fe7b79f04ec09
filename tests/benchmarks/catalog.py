"""Seconds to list model files, at first and once they are known: python tests/benchmarks/catalog.py [files]"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

import torch
from safetensors.torch import save_file

from modules.core.paths import Paths
from modules.processing.models.catalog import ModelCatalog
from modules.processing.models.hashes import HashCache


def main(files: int) -> None:
    with tempfile.TemporaryDirectory() as data:
        paths = Paths(data=Path(data), models=Path(data) / "models")
        folder = paths.models / "Stable-diffusion"
        folder.mkdir(parents=True)
        save_file(
            {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3)}, folder / "0.safetensors"
        )
        for index in range(1, files):
            (folder / f"{index}.safetensors").hardlink_to(folder / "0.safetensors")
        took = []
        for _ in ("cold", "warm"):
            begun = time.perf_counter()
            ModelCatalog(paths, HashCache(paths.cache)).checkpoints()
            took.append(time.perf_counter() - begun)
        print(
            f"{files} files: {took[0]:.2f} s at first, {took[1]:.2f} s once known: {took[0] / took[1]:.1f} times faster"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
