from __future__ import annotations

from modules.training.tokenizer import train_tokenizer

CAPTIONS = ["red apple", "a red apple on a blue background", "green apple", "rocket"] * 3


def test_any_text_is_read_and_common_words_are_one_token() -> None:
    tokenizer = train_tokenizer(CAPTIONS, 800)
    bos, *middle, eos = tokenizer("Red  APPLE").input_ids
    assert [bos, eos] == [tokenizer.bos_token_id, tokenizer.eos_token_id] == [len(tokenizer) - 2, len(tokenizer) - 1]
    assert len(middle) == 2
    strange = "naïve 火 🚀 x9"
    ids = tokenizer(strange).input_ids
    assert eos not in ids[:-1], "an unknown piece became the end"
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == strange.replace(" ", "")
