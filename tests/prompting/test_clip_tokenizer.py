from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from modules.core.errors import ModelError
from modules.prompting import clip_tokenizer
from modules.prompting.clip_tokenizer import ClipTokenizer

TEXTS = [
    "",
    " ",
    "a photo of a cat",
    "A Photo, of a CAT!!! (masterpiece:1.2), [x|y]",
    "it's they'll I'd we've you're i'm don't 'quoted'",
    "1girl, 35mm, f/1.8, 4k 8K 1024x768",
    "tab\tnew\nline\r\n  many   spaces",
    "naïve café Ünïcödé ﬁ ½ ① Ⅷ",
    "cafe\u0301 combined",
    "猫の写真 кошка 고양이 قطة हिन्दी",
    "😀😃 👩‍👩‍👧‍👦 ❤️ ~ ^ ` _ __init__ #tag @me",
    "supercalifragilisticexpialidocious antidisestablishmentarianism " + "x" * 300,
    "zero\u200bwidth no\u00a0break \ufeffbom \x00nul \x07bell",
    "a<|endoftext|>b <|startoftext|> c",
    "<lora:name:0.8> path/to\\file C++ a&b &amp; 50% $3 ...!?",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """vocab.json and merges.txt as CLIP publishes them, made from the merges after its documented rule."""
    merges = gzip.decompress(clip_tokenizer._MERGES.read_bytes()).decode("utf-8").strip().split("\n")[1:]
    spans = [("!", "~"), ("¡", "¬"), ("®", "ÿ")]
    letters = [chr(code) for low, high in spans for code in range(ord(low), ord(high) + 1)]
    letters += [chr(256 + index) for index in range(256 - len(letters))]
    tokens = letters + [one + "</w>" for one in letters] + [one.replace(" ", "") for one in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    path = tmp_path_factory.mktemp("clip")
    (path / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}), "utf-8")
    (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", "utf-8")
    return path


def test_known_ids() -> None:
    clip = ClipTokenizer.clip()
    assert clip.encode("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert (clip.bos, clip.eos, clip.vocab_size) == (49406, 49407, 49408)
    assert clip.token_id(",</w>") == 267


def test_ids_are_those_of_transformers(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.CLIPTokenizer.from_pretrained(str(folder))
    own, read = ClipTokenizer.clip(), ClipTokenizer.from_folder(folder)
    assert len(theirs) == own.vocab_size == read.vocab_size
    for text in TEXTS:
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert own.encode(text) == expected, text
        assert read.encode(text) == expected, text


def test_tokenizer_json_reads_as_the_two_files_do(folder: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    transformers.CLIPTokenizer.from_pretrained(str(folder)).save_pretrained(str(tmp_path))
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).unlink(missing_ok=True)
    read, own = ClipTokenizer.from_folder(tmp_path), ClipTokenizer.clip()
    assert (read.bos, read.eos) == (own.bos, own.eos)
    for text in TEXTS:
        assert read.encode(text) == own.encode(text), text


def test_an_unusable_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no tokenizer"):
        ClipTokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        ClipTokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 0}', "utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    with pytest.raises(ModelError):
        ClipTokenizer.from_folder(tmp_path)
