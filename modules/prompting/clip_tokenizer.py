"""CLIP's tokenizer, from a model's own files or from the vocabulary that all of OpenAI's and most others share."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from modules.core.errors import ModelError

BOS = "<|startoftext|>"
EOS = "<|endoftext|>"

_MERGES = Path(__file__).parent / "data" / "clip_bpe.txt.gz"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class ClipTokenizer:
    """Text -> token ids, without the start and end tokens, at any length."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
        if bos is None or eos is None:
            raise ModelError(f"The tokenizer has no {BOS} and {EOS}.", hint="It is not a CLIP tokenizer.")
        self.bos: int = bos
        self.eos: int = eos
        self.vocab_size: int = tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def token_id(self, token: str) -> int | None:
        """The id of one token as the vocabulary writes it, with </w> at the end of a word."""
        return self._tokenizer.token_to_id(token)

    @classmethod
    def clip(cls) -> ClipTokenizer:
        """The vocabulary of CLIP, 49,408 tokens."""
        return _clip()

    @classmethod
    def from_folder(cls, path: Path | str) -> ClipTokenizer:
        """From vocab.json and merges.txt, or tokenizer.json; ModelError names the file that is missing or damaged."""
        folder = Path(path)
        try:
            if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
                vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))
                return cls(_build(vocabulary, _merges((folder / "merges.txt").read_text("utf-8"))))
            if (folder / "tokenizer.json").is_file():
                return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))
        except ModelError:
            raise
        except Exception as error:  # tokenizers raises plain Exception
            raise ModelError(f"The tokenizer in {folder} cannot be read: {error}.") from error
        raise ModelError(f"{folder} holds no tokenizer.", hint="Expected vocab.json and merges.txt, or tokenizer.json.")


@lru_cache(maxsize=1)
def _clip() -> ClipTokenizer:
    merges = _merges(gzip.decompress(_MERGES.read_bytes()).decode("utf-8"))
    letters = _byte_letters()
    tokens = [*letters, *(one + "</w>" for one in letters), *(a + b for a, b in merges), BOS, EOS]
    return ClipTokenizer(_build({token: index for index, token in enumerate(tokens)}, merges))


def _merges(text: str) -> list[tuple[str, str]]:
    """Pairs in order of rank; the first line is a version."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if "#version" in lines[0]:
        lines = lines[1:]
    pairs = [line.split(" ") for line in lines if line]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _byte_letters() -> list[str]:
    """A printable letter for each of the 256 bytes, in the order of CLIP's vocabulary (GPT-2's alphabet)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [*map(chr, printable), *(chr(256 + index) for index in range(256 - len(printable)))]


def _build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token=EOS,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([one for one in (BOS, EOS) if one in vocabulary])
    return tokenizer
