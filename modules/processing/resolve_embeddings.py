"""Which embeddings the texts of a plan speak of, and which of them the model cannot read."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

from modules.processing.models.catalog import ModelFile
from modules.processing.networks.embeddings import EmbeddingFile, EmbeddingFiles, fitting, model_widths
from modules.processing.plan import Plan
from modules.prompting.chunks import EmbeddingIndex, used_embeddings
from modules.prompting.clip_tokenizer import ClipTokenizer


def with_embeddings(plan: Plan, files: EmbeddingFiles) -> Plan:
    """The plan with the embeddings of both passes; those that cannot be used are told in its notes."""
    plan = _with_own(plan, files)
    if plan.hires is None:
        return plan
    second = _with_own(plan.hires.second, files)
    notes = tuple(dict.fromkeys((*plan.notes, *second.notes)))
    return dataclasses.replace(plan, hires=dataclasses.replace(plan.hires, second=second), notes=notes)


def _with_own(plan: Plan, files: EmbeddingFiles) -> Plan:
    known = [*files.files(), *(one for network in plan.networks for one in files.bundled(network.file.path))]
    if not known:
        return plan
    widths, tokenizer = model_widths(plan.model.checkpoint), prompt_tokenizer(plan.model.checkpoint)
    usable = fitting(known, widths)
    texts = {text for one in plan.pictures for text in (one.text, one.negative)}
    texts |= {one.prompt for one in plan.windows.regions} if plan.windows else set()
    names = _used(texts, tokenizer, usable)
    notes = left_out(texts, plan.model.checkpoint, known)
    own = tuple(files.hashed(usable[one]) for one in names)
    return dataclasses.replace(
        plan, text=dataclasses.replace(plan.text, embeddings=own), notes=tuple(dict.fromkeys((*plan.notes, *notes)))
    )


def left_out(texts: set[str], checkpoint: ModelFile, known: list[EmbeddingFile]) -> list[str]:
    """The embeddings that texts speak of and that the model cannot read, each with the reason."""
    widths = model_widths(checkpoint)
    useless = {one.name: one for one in known if not one.fits(widths)}
    names = _used(texts, prompt_tokenizer(checkpoint), useless)
    return [f"The embedding {name} is left out. {useless[name].misfit(widths)}" for name in names]


def _used(texts: set[str], tokenizer: ClipTokenizer, files: dict[str, EmbeddingFile]) -> list[str]:
    index = embedding_index(tuple((name, one.vectors) for name, one in files.items()), tokenizer)
    return sorted({name for text in texts for name in used_embeddings(text, tokenizer, index)})


@lru_cache(maxsize=4)
def embedding_index(names: tuple[tuple[str, int], ...], tokenizer: ClipTokenizer) -> EmbeddingIndex:
    """names: (name, number of vectors) each. Kept, for a folder with thousands of them."""
    return EmbeddingIndex({name: (max(vectors, 1), None) for name, vectors in names}, tokenizer)


def prompt_tokenizer(checkpoint: ModelFile) -> ClipTokenizer:
    """The tokenizer of a folder's first text encoder, else CLIP's own."""
    for name in ("tokenizer", "tokenizer_2"):
        folder = checkpoint.path / name
        if folder.is_dir():
            return _from_folder(folder, folder.stat().st_mtime_ns)
    return ClipTokenizer.clip()


@lru_cache(maxsize=4)
def _from_folder(folder: Path, changed: int) -> ClipTokenizer:
    return ClipTokenizer.from_folder(folder)
