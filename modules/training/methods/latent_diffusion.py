"""Stage 2: a U-Net and its text encoder, trained together on cached latents of a frozen autoencoder."""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from modules.training import noise
from modules.training.config import Config, Diffusion
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import caption, make_scenes, weights
from modules.training.export import make_scheduler, save_pipeline
from modules.training.latent_cache import cached_latents
from modules.training.methods.autoencoder import save_grid, to_pictures
from modules.training.randomness import numpy_generator, place_seed, torch_generator
from modules.training.tokenizer import LENGTH, train_tokenizer

VALIDATION_SCENES = 32
VALIDATION_TIMESTEPS = (200, 500, 800)
CAPTIONS_PER_SCENE = 4  # that the tokenizer learns from


class LatentDiffusion:
    """v- or epsilon-prediction (arXiv:2202.00512, 2006.11239) with joint training of a small CLIP text encoder."""

    opponent = None

    def __init__(self, config: Config, pictures: PictureSet) -> None:
        self.config, self.pictures = config, pictures
        settings, device, seed = config.diffusion, config.run.device, config.run.seed
        self.scenes = make_scenes(pictures, config.data, seed)
        self.chances = weights(self.scenes, pictures, config.data).cumsum()
        self.vae = AutoencoderKL.from_pretrained(Path(settings.autoencoder).expanduser()).to(device).eval()
        folder = Path(config.run.folder).expanduser() / "latents"
        self.latents = cached_latents(folder, self.vae, self.scenes, pictures).to(device)
        self.tokenizer = self._kept_tokenizer(folder.parent / "tokenizer")
        torch.manual_seed(place_seed(seed, "latent diffusion"))
        self.unet = build_unet(settings, self.latents.shape[1], self.latents.shape[-1])
        self.unet.to(device, memory_format=torch.channels_last)
        self.text_encoder = build_text_encoder(settings, self.tokenizer).to(device)
        if torch.device(device).type == "cpu":  # torch's fused attention is slow backwards on short sequences there
            self.unet.set_attn_processor(AttnProcessor())
        self.abar = noise.alphas_cumprod(settings.beta_start, settings.beta_end).float().to(device)

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        run, settings = self.config.run, self.config.diffusion
        draws = numpy_generator(generator.initial_seed(), "batch")
        places = np.searchsorted(self.chances, draws.random(run.batch_size) * self.chances[-1], side="right")
        captions = [caption(self.scenes[place], self.pictures, draws) for place in places]
        dropped = draws.random(run.batch_size) < settings.condition_dropout
        texts = ["" if drop else text for text, drop in zip(captions, dropped)]
        x0 = self.latents[torch.from_numpy(places)]
        timesteps = noise.stratified_timesteps(run.batch_size, generator).to(x0.device)
        epsilon = torch.randn(x0.shape, generator=generator).to(x0.device)
        errors = self._errors(x0, epsilon, timesteps, texts)
        parts = {"mse": errors.mean()}
        if settings.min_snr:
            errors = errors * noise.min_snr_weight(settings.prediction, self.abar[timesteps], settings.min_snr)
        return errors.mean(), parts

    def _errors(self, x0: Tensor, epsilon: Tensor, timesteps: Tensor, texts: list[str]) -> Tensor:
        """Mean squared error of the prediction per sample, [B]."""
        abar = self.abar[timesteps][:, None, None, None]
        noisy = abar.sqrt() * x0 + (1 - abar).sqrt() * epsilon
        output = self.unet(noisy, timesteps, self.encode_text(texts)).sample.float()
        target = noise.target_of(self.config.diffusion.prediction, x0, epsilon, abar)
        return (output - target).square().mean((1, 2, 3))

    def encode_text(self, texts: list[str]) -> Tensor:
        ids = self.tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        return self.text_encoder(ids["input_ids"].to(self.config.run.device)).last_hidden_state

    def validate(self) -> dict[str, float]:
        """Mean squared error on fixed scenes, noises and timesteps, with the right captions and with wrong ones."""
        popular = [index for index, one in enumerate(self.pictures.subjects) if one.popular] or [0]
        places = popular[:: max(1, len(popular) // VALIDATION_SCENES)][:VALIDATION_SCENES]
        x0 = self.latents[torch.tensor(places)]
        right = [self.pictures.subjects[index].label for index in places]
        result = {}
        for name, texts in (("mse", right), ("mse_wrong_caption", right[1:] + right[:1])):
            errors = []
            for timestep in VALIDATION_TIMESTEPS:
                epsilon = torch.randn(x0.shape, generator=torch_generator("validation", timestep)).to(x0.device)
                errors.append(self._errors(x0, epsilon, torch.full((len(x0),), timestep, device=x0.device), texts))
            result[name] = float(torch.cat(errors).mean())
        return result

    def sample(self, path: Path) -> None:
        prompts = list(self.config.diffusion.sample_prompts) or [self.pictures.subjects[0].label]
        save_grid(path, self.paint(prompts, seed=0), columns=8)

    @torch.no_grad()
    def paint(self, prompts: list[str], *, seed: int) -> np.ndarray:
        """DDIM with guidance; uint8 [N, H, W, 3]."""
        settings, scheduler = self.config.diffusion, make_scheduler(self.config.diffusion)
        scheduler.set_timesteps(settings.sample_steps)
        device = self.latents.device
        shape = (len(prompts), *self.latents.shape[1:])
        x = torch.randn(shape, generator=torch_generator(seed, "sample")).to(device)
        text = self.encode_text([*([""] * len(prompts)), *prompts])
        for timestep in scheduler.timesteps:
            both = self.unet(torch.cat([x, x]), timestep.to(device), text).sample
            without, with_text = both.chunk(2)
            guided = without + settings.sample_cfg * (with_text - without)
            x = scheduler.step(guided, int(timestep), x).prev_sample  # pyright: ignore[reportAttributeAccessIssue]
        return to_pictures(self.vae.decode(x / self.vae.config["scaling_factor"]).sample)

    def finish(self, folder: Path) -> None:
        scheduler = make_scheduler(self.config.diffusion)
        save_pipeline(folder, self.vae, self.text_encoder, self.tokenizer, self.unet, scheduler)

    def _kept_tokenizer(self, folder: Path) -> CLIPTokenizer:
        """Learned once per run: merges that occur equally often come in no fixed order."""
        if not (folder / "tokenizer.json").is_file():
            train_tokenizer(self._every_caption(), self.config.diffusion.vocabulary).save_pretrained(folder)
        return CLIPTokenizer.from_pretrained(folder)

    def _every_caption(self) -> list[str]:
        generator = numpy_generator(self.config.run.seed, "tokenizer")
        scenes = [scene for scene in self.scenes for _ in range(CAPTIONS_PER_SCENE)]
        return [caption(scene, self.pictures, generator) for scene in scenes]


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
