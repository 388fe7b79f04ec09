"""Texts -> conditioning: chunks of 77 tokens through the family's text encoders, weighted, cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from modules.processing.networks.embeddings import part_of, read_vectors
from modules.prompting.attention import parse_attention
from modules.prompting.chunks import Chunk, EmbeddingIndex, chunk_prompt

if TYPE_CHECKING:
    from modules.processing.models.families import TextEncoderRecipe
    from modules.processing.models.loader import LoadedModel
    from modules.processing.plan import TextPlan


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What the network is told of one text. cross: [1, 77k, C] float32; pooled: [1, P], where the family has one."""

    cross: torch.Tensor
    pooled: torch.Tensor | None = None

    @property
    def bytes(self) -> int:
        parts = (self.cross, *([] if self.pooled is None else [self.pooled]))
        return sum(one.numel() * one.element_size() for one in parts)

    def padded(self, length: int, with_: torch.Tensor) -> Conditioning:
        """The same, filled up to `length` tokens with the 77 of an empty text, [1, 77, C]."""
        missing = (length - self.cross.shape[1]) // with_.shape[1]
        if missing <= 0:
            return self
        return Conditioning(cross=torch.cat([self.cross, *[with_] * missing], dim=1), pooled=self.pooled)


class ConditioningCache:
    """The last used conditionings by (model, text, options), least recently used out first, bounded in bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self._items: OrderedDict[tuple[object, ...], Conditioning] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], Conditioning]) -> Conditioning:
        found = self._items.get(key)
        if found is not None:
            self.hits += 1
            self._items.move_to_end(key)
            return found
        self.misses += 1
        made = make()
        self._items[key] = made
        self.bytes += made.bytes
        while self.bytes > self.limit_bytes and self._items:
            _, gone = self._items.popitem(last=False)
            self.bytes -= gone.bytes
        return made

    def clear(self) -> None:
        self._items.clear()
        self.bytes = 0


def encode_text(model: LoadedModel, text: str, plan: TextPlan, *, negative: bool = False) -> Conditioning:
    """Encode one text with every encoder of the model's family; hidden states side by side in the last dimension.

    The longest encoder decides the chunk count; the others follow with empty chunks. A text is always encoded alone,
    so that a picture of a batch equals the same picture made alone.
    """
    recipe = model.family.text
    states: list[torch.Tensor] = []
    pooled: torch.Tensor | None = None
    for index, one in enumerate(recipe.encoders):
        chunks = chunk_prompt(
            text,
            model.tokenizers[index],
            embeddings=_index(model, index, plan),
            comma_backtrack=plan.comma_backtrack,
            pad_id=one.pad_id,
            parse=_parser(plan.emphasis),
        )
        hidden, pool = _encode_chunks(model.text_encoders[index], chunks, one, plan)
        states.append(hidden)
        if recipe.pooled_from == index:
            pooled = pool
    cross = torch.cat(states, dim=-1)
    if negative and not text.strip() and recipe.zero_empty_negative:
        cross = torch.zeros_like(cross)
        pooled = None if pooled is None else torch.zeros_like(pooled)
    return Conditioning(cross=cross, pooled=pooled)


def _index(model: LoadedModel, encoder: int, plan: TextPlan) -> EmbeddingIndex | None:
    """The plan's embeddings that this text encoder can read: a refiner may have another width."""
    part = part_of(model.family.text.encoders[encoder], model.family)
    width = _words(model.text_encoders[encoder]).weight.shape[-1]
    fitting = {one.name: read_vectors(one)[part] for one in plan.embeddings if (part, width) in one.widths}
    if not fitting:
        return None
    return EmbeddingIndex({name: (len(one), one) for name, one in fitting.items()}, model.tokenizers[encoder])


def _words(encoder: torch.nn.Module) -> torch.nn.Embedding:
    return encoder.get_input_embeddings()  # type: ignore[operator, no-any-return]


@contextmanager
def _embeddings_in(encoder: torch.nn.Module, chunk: Chunk) -> Iterator[None]:
    """The vectors of a chunk's embeddings stand in place of those of its words."""

    def put(module: torch.nn.Module, args: object, words: torch.Tensor) -> torch.Tensor:
        words = words.clone()
        for one in chunk.embeddings:
            words[:, one.start : one.start + one.length] = one.value[: one.length].to(words)
        return words

    hook = _words(encoder).register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()


def _parser(emphasis: str) -> Callable[[str], list[tuple[str, float]]]:
    if emphasis == "None":
        return lambda text: [(text, 1.0)]
    return parse_attention


@torch.no_grad()
def _encode_chunks(
    encoder: torch.nn.Module, chunks: Sequence[Chunk], recipe: TextEncoderRecipe, plan: TextPlan
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """[1, 77k, C] and the pooled state of the first chunk, [1, P], or None."""
    device = next(encoder.parameters()).device
    rows: list[torch.Tensor] = []
    pooled: torch.Tensor | None = None
    for chunk in chunks:
        tokens = torch.tensor([chunk.tokens], device=device)
        with _embeddings_in(encoder, chunk):
            output = encoder(input_ids=tokens, output_hidden_states=True)
        hidden = _layer(encoder, output, recipe, plan).float()
        rows.append(emphasize(hidden, torch.tensor([chunk.weights], device=device), plan.emphasis))
        if pooled is None and getattr(output, "text_embeds", None) is not None:
            pooled = output.text_embeds.float()
    return torch.cat(rows, dim=1), pooled


def _layer(encoder: torch.nn.Module, output: object, recipe: TextEncoderRecipe, plan: TextPlan) -> torch.Tensor:
    """The hidden state that the family reads, with clip skip where the family has it."""
    states: tuple[torch.Tensor, ...] = output.hidden_states  # type: ignore[attr-defined]
    skip = 2 if recipe.layer == "penultimate" else 1
    if recipe.clip_skip == "always" or (recipe.clip_skip == "setting" and plan.sdxl_l_skip):
        skip = max(skip, plan.clip_skip) if recipe.layer == "last" else plan.clip_skip
    hidden = states[-min(skip, len(states) - 1)]
    if not recipe.final_norm:
        return hidden
    inner = getattr(encoder, "text_model", encoder)
    return inner.final_layer_norm(hidden)  # type: ignore[operator, no-any-return]


def emphasize(hidden: torch.Tensor, weights: torch.Tensor, mode: str) -> torch.Tensor:
    """Scale token states by their weights. hidden: [1, 77, C]; weights: [1, 77].

    "Original" then restores the mean of the chunk, "No norm" does not; "Ignore" and "None" leave the states alone.
    """
    if mode in ("Ignore", "None") or bool((weights == 1).all()):
        return hidden
    scaled = hidden * weights.to(hidden)[..., None]
    if mode == "No norm":
        return scaled
    return scaled * (hidden.mean() / scaled.mean())
