"""Stage 1: a KL autoencoder (arXiv:2112.10752, 3.1) on random crops of emoji over random colours."""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn

from modules.training.config import Autoencoder as Settings
from modules.training.config import Config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, PLAIN, Scene, draw, over
from modules.training.methods.identity_start import start_as_identity
from modules.training.randomness import numpy_generator, place_seed

VALIDATION_PICTURES = 32


class Autoencoder:
    """Trains AutoencoderKL; `finish` folds the latents' statistics in, so that latents have mean 0 and deviation 1."""

    opponent = None

    def __init__(self, config: Config, pictures: PictureSet) -> None:
        self.config, self.pictures = config, pictures
        held_out = [index for index, one in enumerate(pictures.subjects) if one.held_out]
        self.train_indices = np.array([i for i, one in enumerate(pictures.subjects) if not one.held_out])
        torch.manual_seed(place_seed(config.run.seed, "autoencoder"))
        self.vae = build(config.autoencoder, config.data.size)
        self.vae.to(config.run.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.held_out = np.stack([draw(scene, pictures) for scene in _validation_scenes(held_out)])

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"vae": self.vae}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        settings = self.config.autoencoder
        target = to_tensor(self._crops(generator.initial_seed())).to(self.config.run.device)
        posterior = self.vae.encode(target).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(target.device)
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        output = self.vae.decode(mean + torch.exp(0.5 * logvar) * noise).sample.float()
        difference = output - target
        parts = {
            "l1": difference.abs().mean(),
            "l2": difference.square().mean(),
            "edge": edges(output, target),
            "colour": F.avg_pool2d(difference, 8).square().mean(),
            "kl": 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean(),
        }
        # sums over a picture, as in the paper, divided by the number of its pixel values
        kl_weight = settings.kl_weight * mean[0].numel() / target[0].numel()
        reconstruction = settings.l1_weight * parts["l1"] + settings.l2_weight * parts["l2"]
        reconstruction = (
            reconstruction + settings.edge_weight * parts["edge"] + settings.colour_weight * parts["colour"]
        )
        return reconstruction + kl_weight * parts["kl"], parts

    def _crops(self, seed: int) -> np.ndarray:
        """uint8 RGB, [batch, crop, crop, 3]."""
        generator = numpy_generator(seed, "crops")
        crop, size, names = self.config.autoencoder.crop, self.pictures.size, list(COLOURS)
        crops = []
        for index in generator.choice(self.train_indices, self.config.run.batch_size):
            top, left = generator.integers(0, size - crop + 1, 2)
            picture = self.pictures.pictures[index, top : top + crop, left : left + crop]
            if generator.random() < 0.5:
                picture = picture[:, ::-1]
            chance = generator.random()
            if chance < 0.3:
                colour = np.asarray(COLOURS[PLAIN])
            elif chance < 0.6:
                colour = np.asarray(COLOURS[names[int(generator.integers(len(names)))]])
            else:
                colour = generator.integers(0, 256, 3)
            crops.append(over(picture, np.broadcast_to(colour.astype(np.float32), (crop, crop, 3))))
        return np.stack(crops)

    def validate(self) -> dict[str, float]:
        """PSNR and the deviation of the latents over whole held-out pictures."""
        psnr, latents = [], []
        for start in range(0, len(self.held_out), 8):
            target = to_tensor(self.held_out[start : start + 8]).to(self.config.run.device)
            latent = self.vae.encode(target).latent_dist.mode()
            error = (self.vae.decode(latent).sample.clamp(-1, 1) - target).square().mean((1, 2, 3))
            psnr.append(10 * torch.log10(4 / error))
            latents.append(latent)
        return {"psnr": float(torch.cat(psnr).mean()), "latent_std": float(torch.cat(latents).std())}

    def sample(self, path: Path) -> None:
        target = to_tensor(self.held_out[:8]).to(self.config.run.device)
        output = self.vae.decode(self.vae.encode(target).latent_dist.mode()).sample
        rows = np.concatenate([to_pictures(target), to_pictures(output)])
        save_grid(path, rows, columns=8)

    def finish(self, folder: Path) -> None:
        """A diffusers folder whose latents have mean 0 and deviation 1 per channel: scaling_factor is 1."""
        latents = []
        for start in range(0, len(self.train_indices), 8)[:12]:
            scenes = [Scene((int(i),), PLAIN) for i in self.train_indices[start : start + 8]]
            batch = np.stack([draw(scene, self.pictures) for scene in scenes])
            latents.append(self.vae.encode(to_tensor(batch).to(self.config.run.device)).latent_dist.mode())
        every = torch.cat(latents)
        folded = build(self.config.autoencoder, self.config.data.size)
        folded.load_state_dict({key: one.detach().cpu() for key, one in self.vae.state_dict().items()})
        fold_statistics(folded, every.mean((0, 2, 3)).cpu(), every.std((0, 2, 3)).cpu())
        folded.save_pretrained(folder)


def build(settings: Settings, size: int) -> AutoencoderKL:
    levels = len(settings.channels)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.channels,  # pyright: ignore[reportArgumentType]
        layers_per_block=settings.layers,
        latent_channels=settings.latent_channels,
        norm_num_groups=settings.norm_groups,
        sample_size=size,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    start_as_identity(vae)
    if vae.quant_conv is not None and vae.quant_conv.bias is not None:
        with torch.no_grad():  # little noise at first: with a deviation of 1 nothing is learned for 200 steps
            vae.quant_conv.bias[settings.latent_channels :] = -5.0
    return vae


@torch.no_grad()
def fold_statistics(vae: AutoencoderKL, mean: Tensor, std: Tensor) -> None:
    """Make z' = (z - mean) / std the latents of `vae` without changing what it reconstructs. mean, std: [channels]."""
    channels = len(mean)
    quant, post = vae.quant_conv, vae.post_quant_conv
    if quant is None or post is None or quant.bias is None or post.bias is None:
        raise ValueError("the autoencoder has no quant convolutions to fold into")
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= std[None, :, None, None]
    quant.weight[:channels] /= std[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) / std
    quant.bias[channels:] -= 2 * std.log()  # the rows of the log variance


def edges(output: Tensor, target: Tensor) -> Tensor:
    """L1 of the differences between neighbours, at full, half and quarter size: sharp rims, no trained network."""
    total = output.new_zeros(())
    for _ in range(3):
        difference = output - target
        total = total + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        output, target = F.avg_pool2d(output, 2), F.avg_pool2d(target, 2)
    return total / 3


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] to float [B, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pictures(values: Tensor) -> np.ndarray:
    """float [B, 3, H, W] in [-1, 1] to uint8 [B, H, W, 3]."""
    scaled = (values.float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def save_grid(path: Path, pictures: np.ndarray, columns: int) -> None:
    """uint8 [N, H, W, 3], row by row."""
    rows = -(-len(pictures) // columns)
    height, width = pictures.shape[1:3]
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    Image.fromarray(sheet).save(path)


def _validation_scenes(held_out: list[int]) -> list[Scene]:
    colours = list(COLOURS)
    return [
        Scene((index,), PLAIN if place % 2 == 0 else colours[place % len(colours)])
        for place, index in enumerate(held_out[:: max(1, len(held_out) // VALIDATION_PICTURES)][:VALIDATION_PICTURES])
    ]
