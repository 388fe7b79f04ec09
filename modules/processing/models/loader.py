"""Checkpoints into memory: diffusers folders and single files, without the hub and without code of others."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from modules.core.errors import ModelError
from modules.processing.memory import MemoryMode
from modules.processing.models.catalog import ModelFile
from modules.processing.models.convert import NameMap, Source, clip_map, ignorable, open_clip_map, unet_map, vae_map
from modules.processing.models.families import Family, TextEncoderRecipe, families
from modules.processing.models.weights import Weights, fill, read_config
from modules.processing.networks.apply import Applied
from modules.processing.options import VaeTiles
from modules.processing.schedules.table import LAST_ALPHA, cosine_betas, rescale_zero_snr

if TYPE_CHECKING:
    from modules.prompting.clip_tokenizer import ClipTokenizer

log = logging.getLogger(__name__)
EOS = 49407
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}  # diffusers before 0.15


@dataclass(kw_only=True)
class LoadedModel:
    """A checkpoint in memory. alphas_cumprod: [T] float64 on the CPU; `key` tells two loads apart in caches."""

    file: ModelFile
    family: Family
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: tuple[torch.nn.Module, ...]
    tokenizers: tuple[ClipTokenizer, ...]
    prediction: str
    alphas_cumprod: torch.Tensor
    mode: MemoryMode
    device: torch.device
    vae_file: ModelFile | None = None
    vae_tiles: VaeTiles = field(default_factory=VaeTiles)  # set by each run
    networks: Applied = field(default_factory=Applied)
    encoded: dict[object, torch.Tensor] = field(default_factory=dict)  # of stages.decode: the last pictures' latents

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        return (self.unet, self.vae, *self.text_encoders)

    @property
    def bytes(self) -> int:
        own = sum(one.numel() * one.element_size() for part in self.modules for one in part.parameters())
        return own + self.networks.bytes

    @property
    def key(self) -> tuple[object, ...]:
        return (str(self.file.path), self.file.size, self.file.mtime, self.mode.name)

    @property
    def latent_channels(self) -> int:
        return int(self.vae.config["latent_channels"])

    @property
    def vae_factor(self) -> int:
        """Pixels per latent, along one side."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)


@dataclass(frozen=True)
class _Place:
    """Where the weights go, and whether pickles may be opened."""

    mode: MemoryMode
    device: torch.device
    allow_pickle: bool

    def dtype(self, part: str) -> torch.dtype:
        return getattr(torch, getattr(self.mode, f"{part}_dtype"))


def load_checkpoint(
    file: ModelFile,
    mode: MemoryMode,
    device: torch.device,
    *,
    vae_file: ModelFile | None = None,
    allow_pickle: bool = False,
) -> LoadedModel:
    """Read a checkpoint. ModelError names the file and the cause."""
    if file.broken and not (allow_pickle and file.path.is_file() and file.path.suffix.lower() != ".safetensors"):
        raise ModelError(file.broken if file.path.name in file.broken else f"{file.name}: {file.broken}")
    place = _Place(mode, device, allow_pickle)
    try:
        model = _load_folder(file, vae_file, place) if file.path.is_dir() else _load_single(file, vae_file, place)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{file.name} cannot be used: its configuration is not understood ({error}).") from error
    return model


def load_vae(
    file: ModelFile, family: Family, mode: MemoryMode, device: torch.device, allow_pickle: bool = False
) -> AutoencoderKL:
    """A separate VAE, of LDM's or diffusers' names, or a diffusers folder -> AutoencoderKL."""
    place = _Place(mode, device, allow_pickle)
    if file.broken:
        raise ModelError(f"{file.name}: {file.broken}")
    if file.path.is_dir():
        return _vae(read_config(file.path), Weights.open_part(file.path), None, place)
    weights = Weights.open(file.path, allow_pickle=allow_pickle)
    if "encoder.mid_block.resnets.0.conv1.weight" in weights:
        return _vae(family.vae, weights, None, place)
    for prefix in ("", "first_stage_model.", "vae."):
        if f"{prefix}decoder.conv_in.weight" in weights:
            return _vae(family.vae, weights, prefix, place)
    raise ModelError(f"{file.name} is not a VAE: it has no decoder.conv_in.weight.")


def _load_single(file: ModelFile, vae_file: ModelFile | None, place: _Place) -> LoadedModel:
    from modules.prompting.clip_tokenizer import ClipTokenizer

    weights = Weights.open(file.path, allow_pickle=place.allow_pickle)
    family, variant = (families.get(file.family), file.variant) if file.family else _detect_open(file, weights)
    unet = _unet(_unet_config(family, variant), weights, "model.diffusion_model.", place)
    if vae_file:
        vae = load_vae(vae_file, family, place.mode, place.device, place.allow_pickle)
    elif "first_stage_model.decoder.conv_in.weight" in weights:
        vae = _vae(family.vae, weights, "first_stage_model.", place)
    else:
        raise ModelError(f"{file.name} holds no VAE.", hint="Choose one in the VAE setting.")
    encoders = []
    for recipe in family.text.encoders:
        names = clip_map(recipe.prefix) if recipe.kind == "clip" else open_clip_map(recipe.prefix)
        eos = int(recipe.config["eos_token_id"])
        encoders.append(_text_encoder(dict(recipe.config), recipe, weights, names, eos, place))
    left = [name for name in weights.left_over() if not ignorable(name)]
    if left:
        log.info("%s: %d tensors have no use here, such as %s.", file.name, len(left), left[0])
    prediction = file.prediction or _guess_prediction(family, variant, unet, place)
    return LoadedModel(
        file=file,
        family=family,
        unet=unet,
        vae=vae,
        text_encoders=tuple(encoders),
        tokenizers=tuple(ClipTokenizer.clip() for _ in encoders),
        prediction=prediction,
        alphas_cumprod=alphas_cumprod(family.scheduler, zero_snr=file.zero_snr),
        mode=place.mode,
        device=place.device,
        vae_file=vae_file,
    )


def _load_folder(file: ModelFile, vae_file: ModelFile | None, place: _Place) -> LoadedModel:
    from modules.prompting.clip_tokenizer import ClipTokenizer

    folder = file.path
    family = families.get(file.family)
    unet = _unet(read_config(folder / "unet"), Weights.open_part(folder / "unet"), None, place)
    if vae_file:
        vae = load_vae(vae_file, family, place.mode, place.device, place.allow_pickle)
    else:
        vae = _vae(read_config(folder / "vae"), Weights.open_part(folder / "vae"), None, place)
    encoders, tokenizers, recipes = [], [], []
    for recipe in family.text.encoders:
        part = folder / recipe.subfolder
        weights = Weights.open_part(part)
        words = folder / recipe.tokenizer
        own = (words / "vocab.json").is_file()
        eos, pad = _special_ids(words) if own else (EOS, recipe.pad_id)
        encoders.append(_text_encoder(read_config(part), recipe, weights, _either_prefix(weights), eos, place))
        tokenizers.append(ClipTokenizer.from_folder(words) if own else ClipTokenizer.clip())
        recipes.append(dataclasses.replace(recipe, pad_id=pad))
    text = dataclasses.replace(family.text, encoders=tuple(recipes))
    scheduler = _json(folder / "scheduler" / "scheduler_config.json")
    zero_snr = bool(scheduler.get("rescale_betas_zero_snr", file.zero_snr))
    return LoadedModel(
        file=file,
        family=dataclasses.replace(family, text=text),
        unet=unet,
        vae=vae,
        text_encoders=tuple(encoders),
        tokenizers=tuple(tokenizers),
        prediction=file.prediction or family.prediction,
        alphas_cumprod=alphas_cumprod({**family.scheduler, **scheduler}, zero_snr=zero_snr),
        mode=place.mode,
        device=place.device,
        vae_file=vae_file,
    )


def _detect_open(file: ModelFile, weights: Weights) -> tuple[Family, str]:
    from modules.processing.models.detect import detect
    from modules.processing.models.safetensors_header import Header, TensorInfo

    shapes = {name: TensorInfo("", tuple(weights.get(Source(name)).shape)) for name in weights.names}
    weights.used.clear()
    told = detect(Header(shapes, {}, 0))
    if told.kind != "checkpoint":
        raise ModelError(f"{file.name}: {told.complaint()}")
    return families.get(told.family), told.variant


def _unet_config(family: Family, variant: str) -> dict[str, Any]:
    channels = {"inpaint": 9, "pix2pix": 8}.get(variant, 4)
    return {**family.unet, "in_channels": channels}


def _unet(config: dict[str, Any], weights: Weights, prefix: str | None, place: _Place) -> UNet2DConditionModel:
    with torch.device("meta"):
        module: Any = UNet2DConditionModel.from_config(config)
    names = _same if prefix is None else unet_map(module.config, prefix)
    fill(module, weights, names, place.dtype("unet"), place.device)
    return module


def _vae(config: Any, weights: Weights, prefix: str | None, place: _Place) -> AutoencoderKL:
    with torch.device("meta"):
        module: Any = AutoencoderKL.from_config(dict(config))
    names = _vae_folder_names(weights) if prefix is None else vae_map(module.config, prefix)
    fill(module, weights, names, place.dtype("vae"), place.device)
    return module


def _text_encoder(
    config: dict[str, Any], recipe: TextEncoderRecipe, weights: Weights, names: NameMap, eos: int, place: _Place
) -> torch.nn.Module:
    kind: Any = CLIPTextModelWithProjection if recipe.projection else CLIPTextModel
    known = CLIPTextConfig(**{**config, "eos_token_id": eos})
    with torch.device("meta"):
        module = kind(known)
    fill(module, weights, names, place.dtype("text"), place.device)
    getattr(module, "text_model", module).eos_token_id = eos  # shipped configs say 2, which pools at the largest id
    return module


def _same(name: str) -> Source:
    return Source(name)


def _either_prefix(weights: Weights) -> NameMap:
    """Text encoders are saved with and without the inner "text_model."."""

    def source(name: str) -> Source:
        bare = name.removeprefix("text_model.")
        return Source(next((one for one in (name, f"text_model.{bare}", bare) if one in weights), name))

    return source


def _vae_folder_names(weights: Weights) -> NameMap:
    def source(name: str) -> Source:
        if name not in weights and ".attentions.0." in name:
            for new, old in OLD_ATTENTION.items():
                name = name.replace(f".{new}.", f".{old}.")
        return Source(name, "squeeze" if ".attentions.0." in name and name.endswith("weight") else "same")

    return source


def _special_ids(folder: Path) -> tuple[int, int]:
    """Ids of the end and of the padding of a tokenizer's folder."""
    words = _json(folder / "vocab.json")
    special = {**_json(folder / "tokenizer_config.json"), **_json(folder / "special_tokens_map.json")}

    def word(key: str) -> str:
        value = special.get(key, "<|endoftext|>")
        return str(value.get("content")) if isinstance(value, dict) else str(value)

    eos = int(words.get(word("eos_token"), EOS))
    return eos, int(words.get(word("pad_token"), eos))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@torch.no_grad()
def _guess_prediction(family: Family, variant: str, unet: Any, place: _Place) -> str:
    """SD 2's two predictions differ in no name. At the noisiest step an epsilon network answers its input, about."""
    if family.name != "sd2" or variant:
        return family.prediction
    dtype = place.dtype("unet")
    x = torch.full((1, 4, 8, 8), 0.5, dtype=dtype, device=place.device)
    text = torch.full((1, 2, unet.config["cross_attention_dim"]), 0.5, dtype=dtype, device=place.device)
    out = unet(x, torch.tensor([999], device=place.device), encoder_hidden_states=text, return_dict=False)[0]
    return "v_prediction" if float((out - x).float().mean()) < -1 else "epsilon"


def alphas_cumprod(config: Any, *, zero_snr: bool) -> torch.Tensor:
    """[T] float64, above 0."""
    steps, first, last = int(config["num_train_timesteps"]), float(config["beta_start"]), float(config["beta_end"])
    if config.get("use_flow_sigmas"):  # rectified flow: sigma = t / (1 - t) once scaled to a signal of 1
        time = torch.arange(steps, dtype=torch.float64) / steps
        time[0] = 0.5 / steps  # for a finite logarithm
        return (1 - time) ** 2 / ((1 - time) ** 2 + time**2)
    if config["beta_schedule"] == "scaled_linear":
        betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
    elif config["beta_schedule"] == "linear":
        betas = torch.linspace(first, last, steps, dtype=torch.float64)
    elif config["beta_schedule"] == "squaredcos_cap_v2":
        betas = cosine_betas(steps)
    else:
        raise ModelError(f"The noise schedule {config['beta_schedule']!r} is not known.")
    product = torch.cumprod(1 - betas, dim=0)
    return rescale_zero_snr(product).clamp(min=LAST_ALPHA) if zero_snr else product
