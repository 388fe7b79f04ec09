"""What parts of stage 1 bring: small autoencoders trained alike but for one setting, then measured on held-out emoji.

    python -m modules.training.datasets.fluent_emoji        # once: builds the set
    python tests/benchmarks/autoencoder.py [--steps 250] [--seed 1]

Each row: PSNR and SSIM on whole pictures; PSNR of their middles, and of the middles cut out, as training sees them;
how much of the pictures' own detail (mean size of the Laplacian) the reconstructions have: 1 is as sharp as they are.
About two minutes of one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

import torch
import torch.nn.functional as F

from modules.training.config import Autoencoder as Settings
from modules.training.config import Config, Data, Optimizer, Run
from modules.training.datasets.fluent_emoji import FOLDER, PictureSet, load
from modules.training.loop import train
from modules.training.methods.autoencoder import Autoencoder, to_tensor
from modules.training.quality import psnr, ssim

SIZE, CROP = 128, 32
PLAIN = Settings(
    channels=(16, 32, 32, 32), norm_groups=4, crop=CROP, kl_weight=3e-3, l1_weight=0.5, l2_weight=4.0, colour_weight=5.0
)
VARIANTS = {
    "plain": PLAIN,
    "perceptual_weight 4": replace(PLAIN, perceptual_weight=4.0),
    "whole_share 0.25": replace(PLAIN, whole_share=0.25),
}


def detail(pictures: torch.Tensor) -> float:
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(3, 1, 3, 3)
    return float(F.conv2d(pictures, kernel, groups=3).abs().mean())


@torch.no_grad()
def measured(method: Autoencoder) -> dict[str, float]:
    target = to_tensor(method.held_out)
    # a crop where the pictures are: outside there is little but background
    middle = target[:, :, 48 : 48 + CROP, 48 : 48 + CROP].contiguous()
    output, inner = (method.coder.decode(method.coder.encode(one)).clamp(-1, 1) for one in (target, middle))
    inside = output[:, :, 48 : 48 + CROP, 48 : 48 + CROP]
    return {
        "PSNR": float(psnr(output, target).mean()),
        "SSIM": float(ssim(output, target).mean()),
        "middle, in whole": float(psnr(inside, middle).mean()),
        "middle, cut out": float(psnr(inner, middle).mean()),
        "detail": detail(output) / detail(target),
    }


def run(settings: Settings, pictures: PictureSet, steps: int, seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            method="autoencoder",
            run=Run(folder, seed=seed, steps=steps, batch_size=16, threads=1, save_every=10**9),
            data=Data(folder="", size=SIZE),
            optimizer=Optimizer(lr=2e-3, warmup=20, ema_decay=0.98, clip=5.0),
            autoencoder=settings,
        )
        method = Autoencoder(config, pictures)
        train(config, method)
        return measured(method)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pictures = load(FOLDER, SIZE)
    rows = {name: run(settings, pictures, given.steps, given.seed) for name, settings in VARIANTS.items()}
    names = list(rows["plain"])
    sys.stdout.write(" " * 24 + "".join(f"{name:>18}" for name in names) + "\n")
    for variant, row in rows.items():
        sys.stdout.write(f"{variant:24}" + "".join(f"{row[name]:18.3f}" for name in names) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
