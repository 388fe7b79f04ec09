"""Time and peak memory of large pictures against their size: direct, hires, windows, and the VAE whole and in tiles.

    python tests/benchmarks/highres.py                       # easel-mini, 512 to 2048, plot in outputs/highres.png
    python tests/benchmarks/highres.py --largest 4096        # also 4096 x 4096
    python tests/benchmarks/highres.py --seams               # gradient by distance from window borders

Every measurement runs in a child process, so that its peak is its own. Loading the model is not timed.
A method is left out above the size where the one before took longer than --patience seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SIZES = (512, 768, 1024, 1536, 2048, 3072, 4096)
METHODS = ("direct", "hires", "windows", "decode whole", "decode tiled")
PROMPTS = ("mountains", "a city at night", "flowers", "red apple", "sea waves")
STEP = 128  # pixels between two windows of easel-mini
OFFSETS = range(-STEP // 2, STEP // 2, 8)  # on the VAE's grid


def engine_over(folder: str):
    from modules.core.paths import Paths
    from modules.core.settings import Settings
    from modules.processing.engine import Engine

    settings = Settings(values={"sd_model_checkpoint": "easel-mini", "memory_mode": "fp32"})
    settings.update({"live_previews_enable": False})
    engine = Engine(Paths(data=Path(folder), models=ROOT / "models"), settings, hashing=False)
    engine.catalog.refresh()
    return engine


def request_for(method: str, width: int, height: int, steps: int, prompt: str = PROMPTS[0], seed: int = 1):
    from modules.processing.requests import After, Generate, Hires, Prompt, Sampling, Seed, Shape

    hires = Hires(upscaler="Lanczos", width=width, height=height, strength=0.5) if method == "hires" else None
    shape = Shape(width=256, height=256) if hires else Shape(width=width, height=height, method=method)  # type: ignore[arg-type]
    return Generate(
        prompt=Prompt(positive=prompt),
        shape=shape,
        seed=Seed(seed=seed),
        sampling=Sampling(sampler="DPM++ 2M", steps=steps, cfg_scale=5),
        after=After(save=False, grid=False, hires=hires),
        overrides={"vae_tiling": "never" if method == "direct" else "always"},
    )


def child(method: str, side: int, steps: int) -> None:
    """One measurement; prints its seconds, and the process's peak in GB, as JSON."""
    import torch

    from modules.processing.options import VaeTiles
    from modules.processing.stages.decode import decode

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_over(folder)
        engine.run(request_for("direct", 64, 64, 1))  # the model is loaded
        begun, cpu = time.perf_counter(), time.process_time()
        if method in ("direct", "hires", "windows"):
            engine.run(request_for(method, side, side, steps))
        else:
            model = engine._load(engine.catalog.find_checkpoint("easel-mini"), None, "fp32")
            model.vae_tiles = VaeTiles(when="always" if method.endswith("tiled") else "never")
            latents = torch.randn(1, 4, side // 8, side // 8)
            begun, cpu = time.perf_counter(), time.process_time()
            decode(model, latents)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    told = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "peak": peak}
    print(json.dumps(told))


def measure(method: str, side: int, steps: int) -> dict[str, float] | None:
    command = [sys.executable, __file__, "--child", method, str(side), str(steps)]
    told = subprocess.run(command, capture_output=True, text=True)
    if told.returncode:
        print(f"{method} {side}: failed: {told.stderr.strip().splitlines()[-1:]}")
        return None
    return json.loads(told.stdout.strip().splitlines()[-1])


def exponent(points: list[tuple[int, float]]) -> float:
    """Of the area, by the best line through the logarithms."""
    xs, ys = [math.log(side**2) for side, _ in points], [math.log(value) for _, value in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def compare(methods: list[str], largest: int, steps: int, patience: float, plot: Path) -> None:
    found: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for method in methods:
        for side in (one for one in SIZES if one <= largest):
            told = measure(method, side, steps)
            if told is None:
                break
            found.setdefault(method, []).append((side, told))
            print(f"{method:13} {side:5}: {told['cpu']:8.1f} s of one core, peak {told['peak']:.2f} GB", flush=True)
            if told["seconds"] > patience:
                break
    for method, rows in found.items():
        if len(rows) > 1:
            grown = rows[-1][1]["peak"] / rows[0][1]["peak"]
            by_area = exponent([(side, one["cpu"]) for side, one in rows])
            areas = (rows[-1][0] / rows[0][0]) ** 2
            print(f"{method}: time grows with area^{by_area:.2f}; peak x {grown:.2f} for {areas:.0f} times the area")
    draw(found, plot)


def draw(found: dict[str, list[tuple[int, dict[str, float]]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for method, rows in found.items():
        for axis, name in zip(axes, ("cpu", "peak")):
            axis.plot([side for side, _ in rows], [one[name] for _, one in rows], marker="o", label=method)
    for axis, label in zip(axes, ("seconds of one core", "peak memory (GB)")):
        axis.set(xlabel="side of the picture (pixels)", ylabel=label, xscale="log", yscale="log")
        axis.set_xticks(SIZES, [str(one) for one in SIZES])
        axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    print(f"Plot: {path}")


def seams(width: int, height: int, seeds: int, steps: int, keep: Path) -> None:
    """Gradient by distance from where windows first lie, every STEP pixels, over the mean of the other distances.

    Windows that stood still would be seen at 0, where they end, and at half a step, where one hands over to the next.
    """
    import numpy as np
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    keep.mkdir(parents=True, exist_ok=True)
    profiles: dict[str, list[list[float]]] = {"columns": [], "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_over(folder)
        for seed in range(seeds):
            prompt = PROMPTS[seed % len(PROMPTS)]
            picture = engine.run(request_for("windows", width, height, steps, prompt, seed)).pictures[0]
            with Image.open(picture.path) as image:
                image.convert("RGB").save(keep / f"windows-{width}x{height}-{seed}.png")
                pixels = np.asarray(image.convert("RGB"), np.float64)
            for name, axis, length in (("columns", 1, width), ("rows", 0, height)):
                change = np.abs(np.diff(pixels, axis=axis)).mean(axis=(1 - axis, 2))
                borders = range(2 * STEP, length - 2 * STEP + 1, STEP)  # the picture's own edges are another matter
                if borders:
                    folded = [change[[one + by - 1 for one in borders]].mean() for by in OFFSETS]
                    profiles[name].append([one / np.mean(folded) for one in folded])
            print(f"seed {seed}: {prompt}", flush=True)
    for name, found in profiles.items():
        if found:
            print(f"{width}x{height}, {name}: " + told_profile(np.array(found)))


def told_profile(found) -> str:
    """found: [pictures, offsets]. Its mean, and how far borders and hand-overs stand out, with the standard error."""
    import numpy as np

    parts = []
    for name, offset in (("borders", 0), ("hand-overs", -STEP // 2)):
        place = OFFSETS.index(offset)
        ratios = found[:, place] / np.delete(found, place, axis=1).mean(axis=1)
        error = ratios.std(ddof=1) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.nan
        parts.append(f"{name} / others = {ratios.mean():.3f} +- {error:.3f}")
    by = " ".join(f"{offset}:{value:.2f}" for offset, value in zip(OFFSETS, found.mean(axis=0)))
    return f"{', '.join(parts)}, {len(found)} pictures\n  {by}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--largest", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--patience", type=float, default=600)
    parser.add_argument("--plot", type=Path, default=ROOT / "outputs" / "highres.png")
    parser.add_argument("--seams", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=int, nargs=2, default=(2048, 512))
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child[0], int(chosen.child[1]), int(chosen.child[2]))
    elif chosen.seams:
        seams(*chosen.size, seeds=chosen.seeds, steps=max(chosen.steps, 8), keep=chosen.plot.parent)
    else:
        compare(chosen.methods, chosen.largest, chosen.steps, chosen.patience, chosen.plot)


if __name__ == "__main__":
    main()
