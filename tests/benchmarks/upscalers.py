"""Upscaling in tiles and whole against the bare network on the same pixels; prints times, memory and their ratios.

    python tests/benchmarks/upscalers.py                   # a picture of 384x384, four times as large
    python tests/benchmarks/upscalers.py --side 512 --tile 192

The network has the size of Real-ESRGAN's animevideov3 and random weights. The bare call is spandrel's where that is
installed, else one of the same module. Each case has a process of its own; its memory is what it added to that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.memory.peak import PeakMemory
from modules.processing.upscalers import Upscalers
from modules.processing.upscalers.load import load_network
from tests.processing.upscalers.tiny_nets import make_compact, photo

SCALE = 4
CASES = ("bare", "whole", "tiled")


def bare(file: Path) -> Callable[[Image.Image], Image.Image]:
    """The network called once, with nothing around it but the conversion of pixels."""
    try:
        import spandrel  # pyright: ignore[reportMissingImports]

        call = spandrel.ModelLoader().load_from_state_dict(load_file(file)).eval()
    except ImportError:
        call = load_network(file, allow_pickle=False, dtype=torch.float32, device=torch.device("cpu")).call

    @torch.inference_mode()
    def run(image: Image.Image) -> Image.Image:
        x = torch.tensor(np.asarray(image)).permute(2, 0, 1)[None].float() / 255
        out = call(x)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
        return Image.fromarray(out.permute(1, 2, 0).numpy())

    return run


def measure(case: str, models: Path, side: int, tile: int) -> dict[str, float]:
    """Seconds of the faster of two runs and the bytes that they added."""
    file = models / "ESRGAN" / "net.safetensors"
    if case == "bare":
        run = bare(file)
    else:
        settings = Settings(values={"memory_mode": "fp32", "ESRGAN_tile": tile if case == "tiled" else 0})
        found = Upscalers(Paths(data=models, models=models), settings).find("net")

        def run(image: Image.Image) -> Image.Image:
            return found.upscale(image, image.width * SCALE, image.height * SCALE)

    run(Image.fromarray(photo(32, 32)))  # the network is read, the threads are there
    image, times = Image.fromarray(photo(side, side)), []
    with PeakMemory(interval_s=0.01) as peak:
        before = peak.bytes
        for _ in range(2):
            begun = time.perf_counter()
            assert run(image).size == (side * SCALE, side * SCALE)
            times.append(time.perf_counter() - begun)
    return {"seconds": min(times), "bytes": peak.bytes - before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--tile", type=int, default=192)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(measure(asked.case, asked.models, asked.side, asked.tile)))
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ESRGAN").mkdir()
        save_file(make_compact(width=64, convs=16, scale=SCALE), Path(folder) / "ESRGAN" / "net.safetensors")
        found = {}
        for case in CASES:
            command = [sys.executable, __file__, "--case", case, "--models", folder]
            command += ["--side", str(asked.side), "--tile", str(asked.tile)]
            found[case] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for case, told in found.items():
        ratios = [told[key] / found["bare"][key] for key in ("seconds", "bytes")]
        print(
            f"{case:6} {told['seconds']:7.2f} s ({ratios[0]:.2f} of bare)  "
            f"{told['bytes'] / 2**20:6.0f} MiB ({ratios[1]:.2f} of bare)"
        )


if __name__ == "__main__":
    main()
