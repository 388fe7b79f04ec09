"""Steps of Easel's loop against the plain text-to-image example of diffusers, step by step in turn in one run.

    python tests/benchmarks/training.py                    # a small U-Net and VAE on the CPU
    python tests/benchmarks/training.py --device cuda --precision bf16 --size 256 --channels 320 640 1280

Both train the same U-Net on the same pictures with the same batch size, precision, rate and clipping, with a frozen
autoencoder and text encoder, and keep an EMA. The other side's step is the one of examples/text_to_image in diffusers:
encode, add_noise, unet, mse, backward, clip, optimizer, schedule, EMA. Prints steps per second and their ratio.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# ruff: noqa: E402

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from modules.training.config import Config, Data, Optimizer, Run
from modules.training.loop import train
from modules.training.processes import make_accelerator

TEXT_WIDTH, TOKENS, VOCABULARY, PICTURES = 64, 77, 512, 64
WARM_UP = 3  # steps of each side that are not counted


@dataclass
class Models:
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    noise: DDPMScheduler


def make_models(channels: list[int], device: str) -> Models:
    torch.manual_seed(0)
    levels = len(channels)
    unet = UNet2DConditionModel(
        block_out_channels=tuple(channels),
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (levels - 1)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (levels - 1), "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
    )
    text = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=TEXT_WIDTH,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
    )
    noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    models = Models(unet.to(device), vae.to(device), CLIPTextModel(text).to(device), noise)
    models.vae.requires_grad_(False)
    models.text_encoder.requires_grad_(False)
    return models


class TextToImage:
    """The example's loss as a method of Easel's loop: nothing cached, so that both sides do the same work."""

    opponent = None

    def __init__(self, config: Config, models: Models, pixels: Tensor, ids: Tensor) -> None:
        self.config, self.models, self.pixels, self.ids = config, models, pixels, ids

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"unet": self.models.unet}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = torch.randint(len(self.pixels), (self.config.run.batch_size,), generator=generator)
        return example_loss(self.models, self.pixels[chosen], self.ids[chosen]), {}

    def validate(self) -> dict[str, float]:
        return {}

    def sample(self, path: Path) -> None:
        path.touch()

    def finish(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)


def example_loss(models: Models, pixels: Tensor, ids: Tensor) -> Tensor:
    """train_text_to_image.py from the batch to the loss."""
    latents = models.vae.encode(pixels).latent_dist.sample() * models.vae.config["scaling_factor"]
    noise = torch.randn_like(latents)
    steps = models.noise.config["num_train_timesteps"]
    timesteps = torch.randint(0, steps, (len(latents),), device=latents.device).long()
    noisy = models.noise.add_noise(latents, noise, timesteps)
    hidden = models.text_encoder(ids, return_dict=False)[0]
    output = models.unet(noisy, timesteps, hidden, return_dict=False)[0]
    return F.mse_loss(output.float(), noise.float(), reduction="mean")


def example_step(config: Config, models: Models, pixels: Tensor, ids: Tensor) -> Callable[[], None]:
    """train_text_to_image.py's own step, with its defaults (torch's AdamW, EMAModel, accelerate's preparation)."""
    settings, accelerator = config.optimizer, make_accelerator(config.run)
    ema = EMAModel(models.unet.parameters(), model_cls=UNet2DConditionModel, model_config=models.unet.config)
    optimizer = torch.optim.AdamW(
        models.unet.parameters(), lr=settings.lr, betas=(settings.beta1, settings.beta2), weight_decay=0.0
    )
    schedule = get_scheduler("constant", optimizer=optimizer)
    unet, optimizer, schedule = accelerator.prepare(models.unet, optimizer, schedule)
    prepared = Models(unet, models.vae, models.text_encoder, models.noise)
    size = config.run.batch_size

    def step() -> None:
        chosen = torch.randint(len(pixels), (size,))
        with accelerator.accumulate(unet):
            with accelerator.autocast():
                loss = example_loss(prepared, pixels[chosen], ids[chosen])
            mean = gathered_mean(accelerator, loss, size)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(unet.parameters(), settings.clip)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        ema.step(unet.parameters())
        assert mean == mean, "the example diverged"

    return step


def gathered_mean(accelerator: Accelerator, loss: Tensor, size: int) -> float:
    return accelerator.gather(loss.repeat(size)).mean().item()  # pyright: ignore[reportAttributeAccessIssue]


def compare(config: Config, channels: list[int], size: int) -> float:
    """Alternates step by step: between two steps of our loop, which asks whether to stop, runs one of theirs."""
    device, torch_device = config.run.device, torch.device(config.run.device)
    torch.manual_seed(1)
    pixels = torch.rand(PICTURES, 3, size, size, device=device) * 2 - 1
    ids = torch.randint(0, VOCABULARY, (PICTURES, TOKENS), device=device)
    ours = make_models(channels, device)
    theirs = copy.deepcopy(ours)
    step, ours_s, theirs_s = example_step(config, theirs, pixels, ids), [], []

    def now() -> float:
        if torch_device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    begun = now()

    def their_turn() -> bool:
        nonlocal begun
        ours_s.append(now() - begun)
        start = now()
        step()
        theirs_s.append(now() - start)
        begun = now()
        return False

    train(config, TextToImage(config, ours, pixels, ids), stopping=their_turn)
    ours_s, theirs_s = ours_s[WARM_UP:], theirs_s[WARM_UP:]
    per_s = [1 / statistics.median(times) for times in (ours_s, theirs_s)]
    ratio = statistics.median(other / own for own, other in zip(ours_s, theirs_s))
    print(f"{config.run.precision} on {device}, batch {config.run.batch_size}, {size}x{size}, {len(ours_s)} steps each")
    print(f"Easel {per_s[0]:.2f} steps/s, diffusers' example {per_s[1]:.2f} steps/s: median ratio {ratio:.3f}")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=40)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder, device=chosen.device, precision=chosen.precision, batch_size=chosen.batch)
        every = {f"{what}_every": 10**9 for what in ("log", "validate", "sample", "save")}
        run = type(run)(**{**vars(run), **every, "steps": chosen.steps + WARM_UP})
        optimizer = Optimizer(lr=1e-4, warmup=0, schedule="constant", ema_decay=0.9999)
        config = Config(method="latent_diffusion", run=run, data=Data(folder=""), optimizer=optimizer)
        compare(config, chosen.channels, chosen.size)


if __name__ == "__main__":
    main()
