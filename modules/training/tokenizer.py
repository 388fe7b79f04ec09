"""A byte-level BPE in CLIP's format, learned from captions; bytes are kept, so that any text can be read."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
LENGTH = 77


def train_tokenizer(captions: Iterable[str], vocabulary: int) -> CLIPTokenizer:
    """At most `vocabulary` entries: bytes, bytes that end a word, merges, BOS, EOS, in CLIP's order."""
    clip = CLIPTokenizer()  # for its normalizer and its way of cutting into words
    learner = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    normalizer, cutter = clip.backend_tokenizer.normalizer, clip.backend_tokenizer.pre_tokenizer
    learner.normalizer = normalizer or normalizers.Lowercase()
    learner.pre_tokenizer = cutter or pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(letters) - 2,
        min_frequency=2,
        initial_alphabet=letters,
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
    )
    learner.train_from_iterator(captions, trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    entries = [
        *letters,
        *(letter + END_OF_WORD for letter in letters),
        *(left + right for left, right in merges),
        BOS,
        EOS,
    ]
    ids = {entry: place for place, entry in enumerate(dict.fromkeys(entries))}
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=LENGTH)  # pyright: ignore[reportArgumentType]
