"""Easel's txt2img against a bare diffusers pipeline on the same model, in turn in one run; prints times and ratios.

    python tests/benchmarks/overhead.py            # a tiny model, and SD 1.5's full size with random weights
    python tests/benchmarks/overhead.py --tiny     # the tiny one alone

The full-size model takes about 4 GB of memory in fp32. Same steps, size, guidance and thread count on both sides.
Easel's cache of encoded prompts is off: both sides encode every picture anew.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.engine import Engine
from modules.processing.requests import After, Generate, Prompt, Sampling, Seed, Shape

PROMPT = "a lighthouse on a cliff at sunset, oil painting"


def tiny_module():
    path = ROOT / "tests" / "processing" / "models" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def make_full_size(folder: Path) -> None:
    """Stable Diffusion 1.5's architecture with random weights, as a diffusers folder."""
    from transformers import CLIPTextConfig

    tiny_module().save_tokenizer(folder / "tokenizer")
    torch.manual_seed(0)
    unet = UNet2DConditionModel(cross_attention_dim=768)
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768
        )
    )
    pipeline_of(vae, text, unet, folder).save_pretrained(folder)


def pipeline_of(
    vae: AutoencoderKL, text: CLIPTextModel, unet: UNet2DConditionModel, folder: Path
) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="linspace"
    )


def compare(folder: Path, size: int, steps: int, rounds: int) -> None:
    """Both in turn, `rounds` times after one warm-up; the ratio of each pair, its median last."""
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(values={"sd_model_checkpoint": folder.name, "memory_mode": "fp32"})
        settings.update({"live_previews_enable": False, "conditioning_cache_mb": 0})
        engine = Engine(Paths(data=Path(data), models=folder.parents[1]), settings, hashing=False)
        engine.catalog.refresh()
        request = Generate(
            prompt=Prompt(positive=PROMPT),
            shape=Shape(width=size, height=size),
            seed=Seed(seed=1),
            sampling=Sampling(sampler="Euler", steps=steps),
            after=After(save=False, grid=False),
        )
        pipeline = pipeline_of(
            AutoencoderKL.from_pretrained(folder, subfolder="vae"),
            CLIPTextModel.from_pretrained(folder, subfolder="text_encoder"),
            UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
            folder,
        )
        pipeline.set_progress_bar_config(disable=True)

        def theirs() -> None:
            generator = torch.Generator().manual_seed(1)
            pipeline(PROMPT, width=size, height=size, num_inference_steps=steps, generator=generator)

        ratios = []
        for number in range(rounds + 1):
            ours_s, theirs_s = seconds(lambda: engine.run(request)), seconds(theirs)
            if number:
                ratios.append(ours_s / theirs_s)
                print(f"{folder.name} {size}x{size} {steps} steps: Easel {ours_s:.2f} s, diffusers {theirs_s:.2f} s")
        print(f"{folder.name}: median ratio {statistics.median(ratios):.3f}")


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as models:
        folder = Path(models) / "Stable-diffusion"
        tiny_module().make_tiny_sd1(folder / "tiny")
        compare(folder / "tiny", 256, 8, chosen.rounds)
        if not chosen.tiny:
            make_full_size(folder / "full-size")
            compare(folder / "full-size", 256, 8, chosen.rounds)


if __name__ == "__main__":
    main()
