"""A model file as a network that can be run: ours where it is RRDBNet or Compact, spandrel's for all others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modules.core.errors import ModelError, StageError
from modules.processing.models.convert import Source
from modules.processing.models.weights import Weights, fill
from modules.processing.upscalers.layout import CompactLayout, Layout, find_layout
from modules.processing.upscalers.networks import CompactNet, RrdbNet
from modules.processing.upscalers.tiles import Pixels

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Network:
    """`call`: RGB [1, 3, h, w] in [0, 1] -> [1, 3, scale h, scale w], about that range. `tiles`: may be cut up."""

    label: str
    scale: int
    call: Callable[[Tensor], Tensor]
    module: nn.Module
    tiles: bool = True

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Pixels:
        """uint8 [h, w, 3] -> float32 [scale h, scale w, 3] in [0, 255]; once more in fp32 where fp16 was not enough."""
        out = self._run(pixels)
        if not torch.isfinite(out).all() and next(self.module.parameters()).dtype != torch.float32:
            log.warning("%s broke down in half precision; it goes on in fp32.", self.label)
            self.module.float()
            out = self._run(pixels)
        if not torch.isfinite(out).all():
            raise StageError(
                f"{self.label} gave values that are not numbers.",
                stage="upscale",
                hint="The file may be damaged: download it again.",
            )
        return out.clamp_(0, 1).mul_(255).permute(1, 2, 0).float().cpu().numpy()

    def _run(self, pixels: Pixels) -> Tensor:
        like = next(self.module.parameters())
        x = torch.tensor(pixels, device=like.device).to(like.dtype).div_(255)
        return self.call(x.permute(2, 0, 1)[None])[0]


def load_network(path: Path, *, allow_pickle: bool, dtype: torch.dtype, device: torch.device) -> Network:
    """ModelError says what is wrong with the file, or which package would read it."""
    weights = Weights.open(path, allow_pickle=allow_pickle)
    shapes = {name: tuple(weights.get(Source(name)).shape) for name in weights.names}
    layout = find_layout(shapes, path.name)
    if layout is None:
        return _by_spandrel(path, weights, dtype, device)
    module = _module(layout)
    fill(module, weights, lambda name: Source(layout.names[name]), dtype, device)
    return Network(label=path.name, scale=layout.scale, call=module, module=module)


def _module(layout: Layout) -> nn.Module:
    with torch.device("meta"):
        return CompactNet(layout) if isinstance(layout, CompactLayout) else RrdbNet(layout)


def _by_spandrel(path: Path, weights: Weights, dtype: torch.dtype, device: torch.device) -> Network:
    ours = f"{path.name} is neither ESRGAN (RRDBNet) nor SRVGGNetCompact, the networks that Easel reads by itself."
    found = read_by_spandrel(path, weights, ours)
    half = dtype == torch.float16 and found.supports_half
    found.to(device, torch.float16 if half else torch.float32).eval()
    tiles = found.tiling.name != "INTERNAL"
    return Network(label=path.name, scale=found.scale, call=found, module=found.model, tiles=tiles)


def read_by_spandrel(path: Path, weights: Weights, why: str) -> Any:
    """spandrel's descriptor of a network from RGB to RGB. `why`: it is needed, said where it is not installed."""
    try:
        import spandrel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        hint = f"Install the package spandrel, which knows many: pip install spandrel ({error})."
        raise ModelError(why, hint=hint) from error
    try:
        found = spandrel.ModelLoader().load_from_state_dict({name: weights.get(Source(name)) for name in weights.names})
    except spandrel.UnsupportedModelError as error:
        raise ModelError(f"{path.name} holds no network that spandrel knows.", hint="Try a newer spandrel.") from error
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:  # tensors missing or of other shapes
        raise ModelError(f"{path.name} cannot be read by spandrel: {error}") from error
    picture = isinstance(found, spandrel.ImageModelDescriptor)
    if not picture or (found.input_channels, found.output_channels) != (3, 3):
        raise ModelError(f"{path.name} is {found.architecture.name}, which does not turn one RGB picture into another.")
    return found
