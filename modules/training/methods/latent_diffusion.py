"""Stage 2: a U-Net and its text encoder, trained together on cached latents of a frozen autoencoder."""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from modules.core.errors import UserError
from modules.core.files import write_atomic
from modules.training import checkpoints, noise
from modules.training.buckets import BucketDraws
from modules.training.config import Config, Diffusion
from modules.training.datasets.emoji_scenes import EmojiScenes
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.source import Source
from modules.training.export import make_scheduler, save_pipeline
from modules.training.latent_cache import cached_latents, loss_weights, statistics
from modules.training.methods.grow import load_weights, start_from
from modules.training.noise_plot import plot_schedule
from modules.training.pictures import save_grid, to_pictures
from modules.training.randomness import numpy_generator, place_seed, torch_generator
from modules.training.tokenizer import LENGTH, train_tokenizer

log = logging.getLogger(__name__)
VALIDATION_TIMESTEPS = (200, 500, 800)
CAPTIONS_PER_ITEM = 4  # that the tokenizer learns from
LOUD_END_DB = -15.0
TOKENIZER = "tokenizer.json"


class LatentDiffusion:
    """Diffusion (arXiv:2006.11239) or rectified flow with joint training of a small CLIP text encoder.

    A PictureSet stands for the scenes that the config has drawn of it.
    """

    opponent = None

    def __init__(self, config: Config, data: PictureSet | Source) -> None:
        self.config = config
        settings, device, seed = config.diffusion, config.run.device, config.run.seed
        folder = Path(config.run.folder).expanduser()
        begin_with = _model_to_begin_with(settings, folder)
        self.source = EmojiScenes(data, config.data, seed) if isinstance(data, PictureSet) else data
        self.draws = BucketDraws(self.source.sizes, self.source.weights)
        self.masks: list[Tensor] = []  # by bucket, like the latents; empty when all places count alike
        self.vae = _load_autoencoder(Path(settings.autoencoder).expanduser()).to(device).eval()
        _check_sizes(self.draws.buckets, self.vae)
        self.latents, latent_std = self._scaled_latents(folder / "latents")
        self.process = noise.make_process(settings, latent_std)
        _tell_end(self.process, latent_std)
        plot_schedule(folder / "noise_schedule.png", self.process, latent_std)
        self.tokenizer = self._kept_tokenizer(folder / "tokenizer")
        torch.manual_seed(place_seed(seed, "latent diffusion"))
        self.unet = build_unet(settings, self.latents[0].shape[1], config.data.size // _pixels_per_latent(self.vae))
        self.unet.to(device, memory_format=torch.channels_last)
        self.text_encoder = build_text_encoder(settings, self.tokenizer).to(device)
        if begin_with is not None:
            start_from(self.unet, UNet2DConditionModel.from_pretrained(begin_with / "unet", local_files_only=True))
            text = CLIPTextModel.from_pretrained(begin_with / "text_encoder", local_files_only=True)
            load_weights(self.text_encoder, text.state_dict())
        if torch.device(device).type == "cpu":  # torch's fused attention is slow backwards on short sequences there
            self.unet.set_attn_processor(AttnProcessor())
        self.alpha, self.sigma = self.process.alpha.float().to(device), self.process.sigma.float().to(device)
        if settings.min_snr:
            self.weights = noise.loss_weights(self.process, settings.min_snr).float().to(device)

    def _scaled_latents(self, folder: Path) -> tuple[list[Tensor], float]:
        """One tensor [N, C, h, w] per bucket, and the deviation of all of them; 1 if the autoencoder says no factor."""
        found = cached_latents(folder, self.vae, self.source)
        measured = statistics(found)
        if self.vae.config["scaling_factor"] is None:
            self.vae.register_to_config(scaling_factor=1 / measured.overall)
        scale = float(self.vae.config["scaling_factor"])
        told = {**asdict(measured), "scaling_factor": scale}
        write_atomic(folder / "statistics.json", json.dumps(told, indent=1))
        device = self.config.run.device
        buckets = [torch.stack([found[item] for item in members]) * scale for members in self.draws.members]
        masks = loss_weights(self.source, found)
        if masks is not None:
            self.masks = [torch.stack([masks[item] for item in members]).to(device) for members in self.draws.members]
        return [one.to(device) for one in buckets], scale * measured.overall

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        run, settings = self.config.run, self.config.diffusion
        draws = numpy_generator(generator.initial_seed(), "batch")
        items = self.draws.draw(run.batch_size, draws)
        captions = [self.source.caption(int(item), draws) for item in items]
        dropped = draws.random(run.batch_size) < settings.condition_dropout
        texts = ["" if drop else text for text, drop in zip(captions, dropped)]
        x0 = self._rows(self.latents, items)
        masks = self._rows(self.masks, items) if self.masks else None
        timesteps = noise.stratified_timesteps(run.batch_size, generator).to(x0.device)
        epsilon = noise.draw_noise(x0.shape, settings.noise_offset, generator).to(x0.device)
        errors = self._errors(x0, epsilon, timesteps, texts, masks)
        parts = {"mse": errors.mean()}
        if settings.min_snr:
            errors = errors * self.weights[timesteps]
        return errors.mean(), parts

    def _rows(self, buckets: Sequence[Tensor], items: Sequence[int] | np.ndarray) -> Tensor:
        """[N, C, h, w] of items of one bucket."""
        bucket = int(self.draws.bucket_of[items[0]])
        return buckets[bucket][torch.from_numpy(self.draws.row_of[items])]

    def _errors(
        self, x0: Tensor, epsilon: Tensor, timesteps: Tensor, texts: list[str], masks: Tensor | None = None
    ) -> Tensor:
        """Mean squared error of the prediction per sample, [B]. masks: how much places count, [B, 1, h, w], mean 1."""
        alpha, sigma = self.alpha[timesteps][:, None, None, None], self.sigma[timesteps][:, None, None, None]
        noisy = alpha * x0 + sigma * epsilon
        output = self.unet(noisy, timesteps + self.process.first_time, self.encode_text(texts)).sample.float()
        target = noise.target_of(self.process.prediction, x0, epsilon, alpha, sigma)
        errors = (output - target).square()
        if masks is not None:
            errors = errors * masks
        return errors.mean((1, 2, 3))  # not a sum: pictures of every size weigh alike

    def encode_text(self, texts: list[str]) -> Tensor:
        ids = self.tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        return self.text_encoder(ids["input_ids"].to(self.config.run.device)).last_hidden_state

    def validate(self) -> dict[str, float]:
        """Mean squared error on fixed items, noises and timesteps, with the right captions and with wrong ones."""
        items = list(self.source.validation)
        right = [self.source.label(item) for item in items]
        told = {"mse": right, "mse_wrong_caption": right[1:] + right[:1]}
        buckets = [np.flatnonzero(self.draws.bucket_of[items] == index) for index in range(len(self.latents))]
        result = {}
        for name, texts in told.items():
            errors = []
            for timestep in VALIDATION_TIMESTEPS:
                generator = torch_generator("validation", timestep)
                for places in (places for places in buckets if len(places)):
                    x0 = self._rows(self.latents, [items[place] for place in places])
                    epsilon = torch.randn(x0.shape, generator=generator).to(x0.device)
                    timesteps = torch.full((len(x0),), timestep, device=x0.device)
                    errors.append(self._errors(x0, epsilon, timesteps, [texts[place] for place in places]))
            result[name] = float(torch.cat(errors).mean())
        return result

    def sample(self, path: Path) -> None:
        prompts = list(self.config.diffusion.sample_prompts) or [self.source.label(0)]
        save_grid(path, self.paint(prompts, seed=0), columns=8)

    @torch.no_grad()
    def paint(self, prompts: list[str], *, seed: int) -> np.ndarray:
        """Pictures of data.size, with guidance, by the scheduler that is exported; uint8 [N, H, W, 3]."""
        settings, scheduler = self.config.diffusion, make_scheduler(self.config.diffusion, self.process)
        scheduler.set_timesteps(settings.sample_steps)
        device = self.latents[0].device
        side = self.unet.config["sample_size"]
        shape = (len(prompts), self.latents[0].shape[1], side, side)
        x = torch.randn(shape, generator=torch_generator(seed, "sample")).to(device)
        text = self.encode_text([*([""] * len(prompts)), *prompts])
        for timestep in scheduler.timesteps:
            both = self.unet(torch.cat([x, x]), timestep.to(device), text).sample
            without, with_text = both.chunk(2)
            guided = without + settings.sample_cfg * (with_text - without)
            x = scheduler.step(guided, int(timestep), x).prev_sample  # pyright: ignore[reportAttributeAccessIssue]
        return to_pictures(self.vae.decode(x / self.vae.config["scaling_factor"]).sample)

    def finish(self, folder: Path) -> None:
        scheduler = make_scheduler(self.config.diffusion, self.process)
        save_pipeline(folder, self.vae, self.text_encoder, self.tokenizer, self.unet, scheduler)

    def _kept_tokenizer(self, folder: Path) -> CLIPTokenizer:
        """Learned once per run: merges that occur equally often come in no fixed order."""
        started = self.config.diffusion.start_from
        if not (folder / TOKENIZER).is_file():
            if started:
                shutil.copytree(Path(started).expanduser() / "tokenizer", folder, dirs_exist_ok=True)
            else:
                train_tokenizer(self._every_caption(), self.config.diffusion.vocabulary).save_pretrained(folder)
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)

    def _every_caption(self) -> list[str]:
        generator = numpy_generator(self.config.run.seed, "tokenizer")
        items = [item for item in range(len(self.source.sizes)) for _ in range(CAPTIONS_PER_ITEM)]
        return [self.source.caption(item, generator) for item in items]


def _model_to_begin_with(settings: Diffusion, folder: Path) -> Path | None:
    """None also where a state of the run brings the weights: the finished model is no longer needed then."""
    if not settings.start_from or checkpoints.load_latest(folder) is not None:
        return None
    finished = Path(settings.start_from).expanduser()
    needed = ("unet/config.json", "text_encoder/config.json", f"tokenizer/{TOKENIZER}")
    missing = [name for name in needed if not (finished / name).is_file()]
    if missing:
        raise UserError(
            f"The folder of diffusion.start_from holds no finished model: it has no {missing[0]}.",
            hint="Name the result folder of a finished second stage.",
            field="diffusion.start_from",
        )
    return finished


def _load_autoencoder(folder: Path) -> AutoencoderKL:
    kind = AutoencoderKL.load_config(folder, local_files_only=True).get("_class_name")
    if kind != "AutoencoderKL":
        raise UserError(
            f"{folder.name} holds a {kind}; Stable Diffusion's classes paint with an AutoencoderKL only.",
            hint='Train stage 1 with autoencoder.kind "kl".',
            field="diffusion.autoencoder",
        )
    return AutoencoderKL.from_pretrained(folder, local_files_only=True)


def _tell_end(process: noise.NoiseProcess, latent_std: float) -> None:
    end = float(process.snr_db[-1]) + 20 * math.log10(latent_std)
    log.info("Latents of deviation %.3f: the schedule ends at %.1f dB", latent_std, end)
    if end > LOUD_END_DB:
        log.warning("Above %.0f dB sampling from pure noise suffers: try diffusion.schedule snr_adapted", LOUD_END_DB)


def _pixels_per_latent(vae: AutoencoderKL) -> int:
    return 2 ** (len(vae.config["block_out_channels"]) - 1)


def _check_sizes(buckets: Sequence[tuple[int, int]], vae: AutoencoderKL) -> None:
    pixels = _pixels_per_latent(vae)
    wrong = [f"{width}x{height}" for width, height in buckets if width % pixels or height % pixels]
    if wrong:
        raise UserError(
            f"Pictures of {wrong[0]} do not fit the autoencoder, which makes one latent of {pixels}x{pixels} pixels.",
            hint=f"Use multiples of {pixels} for data.size and data.bucket_step.",
            field="data.size",
        )


def build_unet(settings: Diffusion, latent_channels: int, side: int) -> UNet2DConditionModel:
    """`side` is the native size in latents; it is stored as sample_size."""
    down = ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in settings.attention]
    up = ["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(settings.attention)]
    pooled = {"addition_embed_type": "text", "addition_embed_type_num_heads": settings.text_heads}
    unet = UNet2DConditionModel(
        sample_size=side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=tuple(down),  # pyright: ignore[reportArgumentType]
        up_block_types=tuple(up),  # pyright: ignore[reportArgumentType]
        block_out_channels=settings.channels,  # pyright: ignore[reportArgumentType]
        layers_per_block=settings.layers,
        cross_attention_dim=settings.text_width,
        # diffusers reads this as the number of heads (issue 2011 there)
        attention_head_dim=tuple(max(1, width // settings.head_dim) for width in settings.channels),  # pyright: ignore[reportArgumentType]
        norm_num_groups=settings.norm_groups,
        **(pooled if settings.pooled_text else {}),
        resnet_time_scale_shift="scale_shift" if settings.pooled_text else "default",
    )
    start_quiet(unet)
    return unet


def start_quiet(unet: UNet2DConditionModel) -> None:
    """Zero what every residual branch ends in, and the output, as in arXiv:2105.05233: training begins at once."""
    for name, module in unet.named_modules():
        if name.endswith((".conv2", ".proj_out")) or name == "conv_out":
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def build_text_encoder(settings: Diffusion, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.text_width,
        intermediate_size=4 * settings.text_width,
        num_hidden_layers=settings.text_layers,
        num_attention_heads=settings.text_heads,
        max_position_embeddings=LENGTH,
        projection_dim=settings.text_width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_factor=3.0,  # about 1 / sqrt(width) for the attention weights at this width
    )
    return CLIPTextModel(config)
