"""A prompt as chunks of 75 tokens between a start and an end, each with its weight: what text encoders take in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modules.prompting.attention import Run, parse_attention
from modules.prompting.clip_tokenizer import ClipTokenizer
from modules.prompting.comments import strip_comments
from modules.prompting.networks import parse_networks
from modules.prompting.schedule import prompt_schedule, split_and

ROOM = 75  # tokens of a chunk beside its start and end
LENGTH = ROOM + 2
VARIANT_STEPS = 100  # steps at which the variants of an edited prompt are counted


@dataclass(frozen=True)
class PlacedEmbedding:
    """A textual inversion in a chunk: its vectors replace tokens [start, start + length) of the 77."""

    name: str
    value: Any
    start: int
    length: int


@dataclass(frozen=True)
class Chunk:
    """tokens: 77 ids, start and end and padding included. weights: 77, 1.0 for all but the prompt's own tokens."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    embeddings: tuple[PlacedEmbedding, ...] = ()


class EmbeddingIndex:
    """Textual inversions by the tokens of their names.

    embeddings: name -> (number of vectors, value); the value is handed through to PlacedEmbedding.
    """

    def __init__(self, embeddings: Mapping[str, tuple[int, Any]], tokenizer: ClipTokenizer) -> None:
        self._by_first: dict[int, list[tuple[list[int], str, int, Any]]] = {}
        for name, (vectors, value) in embeddings.items():
            tokens = tokenizer.encode(name)
            if tokens and vectors > 0:
                self._by_first.setdefault(tokens[0], []).append((tokens, name, min(vectors, ROOM), value))
        for found in self._by_first.values():
            found.sort(key=lambda one: len(one[0]), reverse=True)

    def find(self, tokens: list[int], at: int) -> tuple[str, int, int, Any] | None:
        """(name, tokens of the name, vectors, value) of the longest name that stands at `at`."""
        for name_tokens, name, vectors, value in self._by_first.get(tokens[at], ()):
            if tokens[at : at + len(name_tokens)] == name_tokens:
                return name, len(name_tokens), vectors, value
        return None


def chunk_prompt(
    text: str,
    tokenizer: ClipTokenizer,
    *,
    embeddings: EmbeddingIndex | None = None,
    comma_backtrack: int = 20,
    pad_id: int | None = None,
    parse: Callable[[str], list[Run]] = parse_attention,
) -> list[Chunk]:
    """One or more chunks. BREAK starts a new one; an embedding is never split.

    comma_backtrack: where a chunk is full and its last comma is at most so many tokens back, what follows the comma
    moves to the next chunk. pad_id: what fills a chunk behind its end token, None for the end token itself.
    """
    filled = _fill(text, tokenizer, embeddings, comma_backtrack, parse)
    pad = tokenizer.eos if pad_id is None else pad_id
    return [one.close(tokenizer.bos, tokenizer.eos, pad) for one in filled]


def count_tokens(
    text: str, tokenizer: ClipTokenizer, *, comments: bool = True, embeddings: EmbeddingIndex | None = None
) -> tuple[int, int]:
    """(tokens, room) such as (12, 75), of the longest text that editing and AND give; full chunks count as 75."""
    clean, _ = parse_networks(strip_comments(text) if comments else text)
    used = max(_used(_fill(variant, tokenizer, embeddings, 20, parse_attention)) for variant in _variants(clean))
    return used, -(-max(used, 1) // ROOM) * ROOM


def used_embeddings(text: str, tokenizer: ClipTokenizer, embeddings: EmbeddingIndex) -> list[str]:
    """The names in `embeddings` that the text speaks of at any step, in order."""
    filled = [one for variant in _variants(text) for one in _fill(variant, tokenizer, embeddings, 20, parse_attention)]
    return list(dict.fromkeys(place.name for one in filled for place in one.embeddings))


def _variants(text: str) -> list[str]:
    """What editing and AND make of a text."""
    found = (variant for part, _ in split_and(text) for _, variant in prompt_schedule(part, VARIANT_STEPS))
    return list(dict.fromkeys(found))


def _used(filled: list[_Filling]) -> int:
    return (len(filled) - 1) * ROOM + len(filled[-1].tokens)


@dataclass
class _Filling:
    """A chunk's own tokens so far; `comma` is the place of the last comma, -1 for none."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    embeddings: list[PlacedEmbedding] = field(default_factory=list)  # start counts from the first own token
    comma: int = -1

    def cut(self, at: int) -> _Filling:
        """Take what stands at `at` and behind it out, as a new filling."""
        moved = [
            PlacedEmbedding(one.name, one.value, one.start - at, one.length)
            for one in self.embeddings
            if one.start >= at
        ]
        rest = _Filling(self.tokens[at:], self.weights[at:], moved)
        self.embeddings = [one for one in self.embeddings if one.start < at]
        del self.tokens[at:], self.weights[at:]
        return rest

    def close(self, bos: int, eos: int, pad: int) -> Chunk:
        padding = ROOM - len(self.tokens)
        return Chunk(
            (bos, *self.tokens, eos, *(pad,) * padding),
            (1.0, *self.weights, 1.0, *(1.0,) * padding),
            tuple(PlacedEmbedding(one.name, one.value, one.start + 1, one.length) for one in self.embeddings),
        )


def _fill(
    text: str,
    tokenizer: ClipTokenizer,
    embeddings: EmbeddingIndex | None,
    backtrack: int,
    parse: Callable[[str], list[Run]],
) -> list[_Filling]:
    comma_id = tokenizer.token_id(",</w>")
    done: list[_Filling] = []
    now = _Filling()
    for run, weight in parse(text):
        if run == "BREAK" and weight == -1:
            done.append(now)
            now = _Filling()
            continue
        tokens = tokenizer.encode(run)
        at = 0
        while at < len(tokens):
            if tokens[at] == comma_id:
                now.comma = len(now.tokens)
            elif len(now.tokens) == ROOM and now.comma >= 0 and ROOM - now.comma <= backtrack:
                rest = now.cut(now.comma + 1)
                done.append(now)
                now = rest
            found = embeddings.find(tokens, at) if embeddings else None
            _, taken, length, _ = found or ("", 1, 1, None)
            if len(now.tokens) + length > ROOM:
                done.append(now)
                now = _Filling()
            if found is None:
                now.tokens.append(tokens[at])
            else:
                now.embeddings.append(PlacedEmbedding(found[0], found[3], len(now.tokens), length))
                now.tokens += [0] * length
            now.weights += [weight] * length
            at += taken
    if now.tokens or not done:
        done.append(now)
    return done
