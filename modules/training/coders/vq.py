"""The autoencoder whose latents are codes of a learned codebook: diffusers' VQModel."""

# diffusers and transformers annotate their models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from pathlib import Path

import torch
from diffusers import VQModel
from torch import Tensor

from modules.training.coders.codebook import Codebook, as_vectors, perplexity
from modules.training.coders.coder import layers_of
from modules.training.coders.identity_start import start_as_identity
from modules.training.config import Autoencoder as Settings


class CheckpointedVq(VQModel):
    """Its encoder and decoder can save memory by computing activations twice; diffusers only does not say so."""

    _supports_gradient_checkpointing = True


class VqCoder:
    """A VQModel with our own quantiser in the place of diffusers'; `save` writes a plain one."""

    def __init__(self, settings: Settings, size: int) -> None:
        self.settings, self.size = settings, size
        self.vae = CheckpointedVq(**self._arguments())
        start_as_identity(self.vae)
        self.codebook = Codebook(settings.codebook, settings.latent_channels)
        self.vae.quantize = self.codebook

    def reconstruct(self, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Also a step of the codebook. Gradients pass straight through the codes to the latents."""
        latents = self.vae.encode(target).latents.float()
        vectors = as_vectors(latents.detach())
        revived = self.codebook.revive(vectors, generator)
        codes, indices = self.codebook.quantise(latents)
        self.codebook.learn(vectors, indices)
        commitment = (latents - codes).square().mean()
        parts = {
            "commitment": commitment.detach(),
            "perplexity": perplexity(indices, self.settings.codebook.size),
            "revived": torch.tensor(float(revived)),
        }
        output = self._decode_codes(latents + (codes - latents).detach())
        return output, self.settings.codebook.commitment * commitment, parts

    def encode(self, target: Tensor) -> Tensor:
        """The latents before they are replaced by codes. Stage 2 learns those of an AutoencoderKL only."""
        return self.vae.encode(target).latents

    def decode(self, latents: Tensor) -> Tensor:
        """The picture of the codes nearest to `latents`."""
        return self._decode_codes(self.codebook.quantise(latents)[0])

    def validate(self, latents: Tensor) -> dict[str, float]:
        size = self.settings.codebook.size
        indices = self.codebook.nearest(as_vectors(latents))
        return {"perplexity": float(perplexity(indices, size)), "codes_used": len(indices.unique()) / size}

    def save(self, folder: Path, latents: Tensor) -> None:
        """A diffusers folder; scaling_factor gives `latents` a deviation of 1."""
        plain = VQModel(**self._arguments(), scaling_factor=1 / float(latents.float().std()))
        ours = {key: one.detach().cpu() for key, one in self.vae.state_dict().items()}
        weights = {key: one for key, one in ours.items() if not key.startswith("quantize.")}
        plain.load_state_dict({**weights, "quantize.embedding.weight": ours["quantize.codes"]})
        plain.save_pretrained(folder)

    def _decode_codes(self, codes: Tensor) -> Tensor:
        return self.vae.decode(codes, force_not_quantize=True).sample

    def _arguments(self) -> dict[str, object]:
        return {**layers_of(self.settings, self.size), "num_vq_embeddings": self.settings.codebook.size}
