"""Stage 1: an autoencoder (arXiv:2112.10752, 3.1) on random crops of emoji over random colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from modules.training.coders.coder import Coder, last_weights
from modules.training.coders.kl import KlCoder
from modules.training.coders.vq import VqCoder
from modules.training.config import Autoencoder as Settings
from modules.training.config import Config
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.scenes import COLOURS, PLAIN, Scene, draw, over
from modules.training.losses import pixel
from modules.training.losses.adversarial import Adversary
from modules.training.losses.perceptual import GaborEnergies
from modules.training.opponent import Opponent
from modules.training.pictures import save_grid, to_pictures, to_tensor
from modules.training.quality import psnr, ssim
from modules.training.randomness import numpy_generator, place_seed

VALIDATION_PICTURES = 32
FOLDED_BATCHES = 12  # of eight pictures, whose statistics are folded into the result

Part = Callable[[Tensor, Tensor], Tensor]


class Autoencoder:
    """Trains a coder of the config's kind on named parts of a loss, against a discriminator if it wants one."""

    def __init__(self, config: Config, pictures: PictureSet) -> None:
        self.config, self.pictures = config, pictures
        settings, device = config.autoencoder, config.run.device
        held_out = [index for index, one in enumerate(pictures.subjects) if one.held_out]
        self.train_indices = np.array([i for i, one in enumerate(pictures.subjects) if not one.held_out])
        torch.manual_seed(place_seed(config.run.seed, "autoencoder"))
        self.coder: Coder = {"kl": KlCoder, "vq": VqCoder}[settings.kind](settings, config.data.size)
        self.coder.vae.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.adversary = Adversary(settings.adversarial) if settings.adversarial.weight else None
        if self.adversary is not None:
            self.adversary.discriminator.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.parts = weighted_parts(settings, device)
        chosen = held_out[:: max(1, len(held_out) // VALIDATION_PICTURES)][:VALIDATION_PICTURES]
        self.held_out = np.stack([draw(scene, pictures) for scene in _half_coloured(chosen)])
        self.seen: tuple[Tensor, Tensor] | None = None  # the last batch and its reconstruction

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"vae": self.coder.vae}

    @property
    def opponent(self) -> Opponent | None:
        if self.adversary is None:
            return None
        return Opponent({"discriminator": self.adversary.discriminator}, self._opponent_loss)

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        target = to_tensor(self._batch(generator.initial_seed())).to(self.config.run.device)
        output, on_latents, latent_parts = self.coder.reconstruct(target, generator)
        output = output.float()
        parts = {name: part(output, target) for name, (_, part) in self.parts.items()}
        reconstruction = torch.stack([self.parts[name][0] * value for name, value in parts.items()]).sum()
        total = reconstruction + on_latents
        if self.adversary is not None:
            self.seen = target, output.detach()
            last = last_weights(self.coder.vae)
            more, more_parts = self.adversary.decoder_loss(step, output, reconstruction, last)
            total, parts = total + more, parts | more_parts
        return total, parts | latent_parts

    def _opponent_loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]] | None:
        assert self.adversary is not None
        assert self.seen is not None
        return self.adversary.loss(step, *self.seen)

    def _batch(self, seed: int) -> np.ndarray:
        """uint8 RGB, [batch, size, size, 3]; of whole pictures there are as many as have the pixels of the crops."""
        settings, batch_size, whole = self.config.autoencoder, self.config.run.batch_size, self.pictures.size
        if numpy_generator(seed, "whole").random() < settings.whole_share:
            return self._crops(seed, whole, max(1, batch_size * settings.crop**2 // whole**2))
        return self._crops(seed, settings.crop, batch_size)

    def _crops(self, seed: int, crop: int, count: int) -> np.ndarray:
        generator = numpy_generator(seed, "crops")
        size, names = self.pictures.size, list(COLOURS)
        crops = []
        for index in generator.choice(self.train_indices, count):
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
        """PSNR, SSIM and the deviation of the latents over whole held-out pictures."""
        ratios, likenesses, latents = [], [], []
        for start in range(0, len(self.held_out), 8):
            target = to_tensor(self.held_out[start : start + 8]).to(self.config.run.device)
            latent = self.coder.encode(target)
            output = self.coder.decode(latent).clamp(-1, 1)
            ratios.append(psnr(output, target))
            likenesses.append(ssim(output, target))
            latents.append(latent)
        every = torch.cat(latents)
        return {
            "psnr": float(torch.cat(ratios).mean()),
            "ssim": float(torch.cat(likenesses).mean()),
            "latent_std": float(every.std()),
            **self.coder.validate(every),
        }

    def sample(self, path: Path) -> None:
        target = to_tensor(self.held_out[:8]).to(self.config.run.device)
        output = self.coder.decode(self.coder.encode(target))
        rows = np.concatenate([to_pictures(target), to_pictures(output)])
        save_grid(path, rows, columns=8)

    def finish(self, folder: Path) -> None:
        """A diffusers folder whose latents have a deviation of 1 when scaled by its scaling_factor.

        Measured over plain and coloured backgrounds alike: white ones alone have a smaller deviation.
        """
        latents = []
        scenes = _half_coloured(self.train_indices[: 8 * FOLDED_BATCHES])
        for start in range(0, len(scenes), 8):
            batch = np.stack([draw(scene, self.pictures) for scene in scenes[start : start + 8]])
            latents.append(self.coder.encode(to_tensor(batch).to(self.config.run.device)))
        self.coder.save(folder, torch.cat(latents))


def weighted_parts(settings: Settings, device: str) -> dict[str, tuple[float, Part]]:
    """Weight and function of each part of the reconstruction's loss that counts, by name."""
    parts: dict[str, tuple[float, Part]] = {
        "l1": (settings.l1_weight, pixel.l1),
        "l2": (settings.l2_weight, pixel.l2),
        "edge": (settings.edge_weight, pixel.edges),
        "colour": (settings.colour_weight, pixel.colour),
        "perceptual": (settings.perceptual_weight, GaborEnergies(device)),
    }
    return {name: (weight, part) for name, (weight, part) in parts.items() if weight}


def _half_coloured(indices: Iterable[int]) -> list[Scene]:
    """One subject each, every second one over a named colour."""
    colours = list(COLOURS)
    return [
        Scene((int(index),), PLAIN if place % 2 == 0 else colours[place % len(colours)])
        for place, index in enumerate(indices)
    ]
