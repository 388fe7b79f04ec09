from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.prompting.chunks import EmbeddingIndex, chunk_prompt, count_tokens
from modules.prompting.clip_tokenizer import ClipTokenizer

CLIP = ClipTokenizer.clip()
CAT, DOG, COMMA = (CLIP.encode(word)[0] for word in ("cat", "dog", ","))


def own(tokens: tuple[int, ...]) -> list[int]:
    """The prompt's own tokens of a chunk."""
    return list(tokens[1 : tokens.index(CLIP.eos)])


def test_a_short_prompt_is_one_chunk_with_weights_at_its_tokens() -> None:
    (chunk,) = chunk_prompt("cat (dog:1.5)", CLIP)
    assert chunk.tokens == (CLIP.bos, CAT, DOG) + (CLIP.eos,) * 74
    assert chunk.weights == (1.0, 1.0, 1.5) + (1.0,) * 74


def test_padding_is_what_the_encoder_was_trained_with() -> None:
    (chunk,) = chunk_prompt("cat", CLIP, pad_id=0)
    assert chunk.tokens == (CLIP.bos, CAT, CLIP.eos) + (0,) * 74


def test_an_empty_prompt_is_one_empty_chunk() -> None:
    (chunk,) = chunk_prompt("", CLIP)
    assert chunk.tokens == (CLIP.bos,) + (CLIP.eos,) * 76


@pytest.mark.parametrize(("count", "chunks"), [(75, 1), (76, 2), (150, 2), (151, 3)])
def test_tokens_go_on_in_the_next_chunk(count: int, chunks: int) -> None:
    found = chunk_prompt("cat " * count, CLIP)
    assert len(found) == chunks
    assert [token for chunk in found for token in own(chunk.tokens)] == [CAT] * count


def test_break_starts_a_chunk() -> None:
    first, second = chunk_prompt("cat BREAK dog", CLIP)
    assert (own(first.tokens), own(second.tokens)) == ([CAT], [DOG])


@pytest.mark.parametrize(
    ("before", "backtrack", "first"),
    [
        (60, 20, 61),  # 15 tokens back: what follows the comma moves on
        (55, 20, 56),  # 20 tokens back, the limit
        (54, 20, 75),  # 21 tokens back
        (60, 0, 75),  # off
    ],
)
def test_text_behind_a_late_comma_moves_on(before: int, backtrack: int, first: int) -> None:
    found = chunk_prompt("cat " * before + "," + " dog" * 40, CLIP, comma_backtrack=backtrack)
    assert len(own(found[0].tokens)) == first
    assert [token for chunk in found for token in own(chunk.tokens)] == [CAT] * before + [COMMA] + [DOG] * 40


def test_an_embedding_takes_its_vectors_and_is_never_split() -> None:
    index = EmbeddingIndex({"dog": (2, "short"), "dog house": (8, "long")}, CLIP)
    (chunk,) = chunk_prompt("cat dog house", CLIP, embeddings=index)
    (placed,) = chunk.embeddings
    assert (placed.name, placed.value, placed.start, placed.length) == ("dog house", "long", 2, 8)
    assert chunk.tokens[10] == CLIP.eos

    first, second = chunk_prompt("cat " * 70 + "(dog house:1.3)", CLIP, embeddings=index)
    assert not first.embeddings
    assert len(own(first.tokens)) == 70
    assert second.embeddings[0].start == 1
    assert second.weights[1:10] == (1.3,) * 8 + (1.0,)


def test_an_embedding_behind_a_late_comma_moves_with_its_text() -> None:
    index = EmbeddingIndex({"dog": (3, None)}, CLIP)
    first, second = chunk_prompt("cat " * 65 + ", cat dog" + " cat" * 10, CLIP, embeddings=index)
    assert (first.embeddings, second.embeddings[0].start, second.embeddings[0].length) == ((), 2, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 75)),
        ("a photo of a cat, a photo of a dog,", (12, 75)),
        ("cat " * 75, (75, 75)),
        ("cat " * 76, (76, 150)),
        ("cat BREAK dog", (76, 150)),
        ("cat [dog:dog cat dog:0.5]", (4, 75)),
        ("cat [dog|dog dog dog]", (4, 75)),
        ("cat AND cat dog", (2, 75)),
        ("(cat:1.2) <lora:x:1> # dog", (1, 75)),
    ],
)
def test_the_counter_takes_the_longest_variant(text: str, expected: tuple[int, int]) -> None:
    assert count_tokens(text, CLIP) == expected


@settings(deadline=None)
@given(st.text(st.sampled_from("()[]:|, catBREAK0.5") | st.characters(exclude_categories=["Cs"]), max_size=400))
def test_chunks_are_whole_for_any_text(text: str) -> None:
    chunks = chunk_prompt(text, CLIP)
    assert chunks
    for chunk in chunks:
        assert len(chunk.tokens) == len(chunk.weights) == 77
        assert chunk.tokens[0] == CLIP.bos
        assert CLIP.eos in chunk.tokens[1:]
    used, room = count_tokens(text, CLIP)
    assert used <= room
    assert room % 75 == 0
