from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from modules.training import latent_cache
from modules.training.coders.kl import build
from modules.training.config import Autoencoder, Data
from modules.training.datasets.emoji_scenes import EmojiScenes
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.latent_cache import cached_latents, encode, statistics

SETTINGS = Autoencoder(channels=(8, 8), norm_groups=2)


@pytest.fixture
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return build(SETTINGS, 32)


@pytest.fixture
def source(pictures: PictureSet) -> EmojiScenes:
    return EmojiScenes(pictures, Data(folder="", size=32, colours=2, rare_colours=2, pairs=8), seed=1)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call encoded; shards of 8, so that there are several."""
    counts: list[int] = []

    def counting(vae: AutoencoderKL, pictures: list[np.ndarray]) -> Tensor:
        counts.append(len(pictures))
        return encode(vae, pictures)

    monkeypatch.setattr(latent_cache, "encode", counting)
    monkeypatch.setattr(latent_cache, "SHARD", 8)
    monkeypatch.setattr(latent_cache, "BATCH", 4)
    return counts


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other))


def test_cached_latent_equals_a_fresh_one(tmp_path: Path, vae: AutoencoderKL, source: EmojiScenes) -> None:
    made = cached_latents(tmp_path, vae, source)
    read = cached_latents(tmp_path, vae, source)
    assert same(made, read)
    for item in (0, 3, len(read) - 1):
        fresh = encode(vae, [source.picture(item)])[0]
        torch.testing.assert_close(read[item], fresh, rtol=0, atol=1e-5)


def test_whole_cache_encodes_nothing(
    tmp_path: Path, vae: AutoencoderKL, source: EmojiScenes, encoded: list[int]
) -> None:
    made = cached_latents(tmp_path, vae, source)
    assert sum(encoded) == len(source.scenes) == 32
    assert len(list(tmp_path.glob("*.safetensors"))) == 4
    encoded.clear()
    assert same(cached_latents(tmp_path, vae, source), made)
    assert not encoded


def cut_short(folder: Path, files: list[str]) -> None:
    (folder / files[1]).write_bytes((folder / files[1]).read_bytes()[:-40])


def flip_a_bit(folder: Path, files: list[str]) -> None:
    data = bytearray((folder / files[1]).read_bytes())
    data[-7] ^= 1
    (folder / files[1]).write_bytes(data)


def swap_two(folder: Path, files: list[str]) -> None:
    one, other = (folder / files[1]).read_bytes(), (folder / files[2]).read_bytes()
    (folder / files[1]).write_bytes(other)
    (folder / files[2]).write_bytes(one)


def remove_one(folder: Path, files: list[str]) -> None:
    (folder / files[1]).unlink()


@pytest.mark.parametrize(("harm", "shards"), [(cut_short, 1), (flip_a_bit, 1), (swap_two, 2), (remove_one, 1)])
def test_only_harmed_shards_are_noticed_and_rebuilt(
    harm, shards: int, tmp_path: Path, vae: AutoencoderKL, source: EmojiScenes, encoded: list[int], caplog
) -> None:
    made = cached_latents(tmp_path, vae, source)
    files = [one["file"] for one in json.loads((tmp_path / "index.json").read_text())]
    before = {name: (tmp_path / name).read_bytes() for name in files}
    harm(tmp_path, files)
    encoded.clear()
    with caplog.at_level(logging.WARNING):
        assert same(cached_latents(tmp_path, vae, source), made)
    assert sum(encoded) == 8 * shards
    assert sum("not used" in one.message for one in caplog.records) == shards
    assert {name: (tmp_path / name).read_bytes() for name in files} == before
    encoded.clear()
    assert same(cached_latents(tmp_path, vae, source), made)
    assert not encoded


def test_damaged_index_rebuilds_all(
    tmp_path: Path, vae: AutoencoderKL, source: EmojiScenes, encoded: list[int]
) -> None:
    made = cached_latents(tmp_path, vae, source)
    (tmp_path / "index.json").write_text("[{")
    encoded.clear()
    assert same(cached_latents(tmp_path, vae, source), made)
    assert sum(encoded) == 32


def test_another_autoencoder_and_changed_pictures_are_encoded_anew(
    tmp_path: Path, vae: AutoencoderKL, pictures: PictureSet, source: EmojiScenes, encoded: list[int]
) -> None:
    made = cached_latents(tmp_path, vae, source)
    other = build(SETTINGS, 32)
    assert not same(cached_latents(tmp_path, other, source), made)
    assert same(cached_latents(tmp_path, vae, source), made)
    changed = np.array(pictures.pictures)
    changed[2] = changed[2][::-1] // 2
    repainted = EmojiScenes(dataclasses.replace(pictures, pictures=changed), source_data(), seed=1)
    showing = [item for item, scene in enumerate(repainted.scenes) if 2 in scene.subjects]
    encoded.clear()
    found = cached_latents(tmp_path, vae, repainted)
    assert sum(encoded) == len(showing) > 0
    fresh = encode(vae, [repainted.picture(showing[0])])[0]
    torch.testing.assert_close(found[showing[0]], fresh, rtol=0, atol=1e-5)


def source_data() -> Data:
    return Data(folder="", size=32, colours=2, rare_colours=2, pairs=8)


def test_stopped_encoding_goes_on_where_it_was(
    tmp_path: Path, vae: AutoencoderKL, source: EmojiScenes, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(range(20))
    draw = source.picture
    monkeypatch.setattr(source, "picture", lambda item: (next(drawn), draw(item))[1])
    with pytest.raises(StopIteration):
        cached_latents(tmp_path, vae, source)
    monkeypatch.setattr(source, "picture", draw)
    encoded.clear()
    cached_latents(tmp_path, vae, source)
    assert sum(encoded) == 16, "two of four shards were done"


def test_statistics_are_those_of_all_values_whatever_the_sizes() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([1.0, 2.0, 0.5])[:, None, None]
    latents = [torch.randn(3, *size, generator=generator) * spread + 0.7 for size in ((4, 8), (8, 4), (2, 16), (6, 6))]
    found = statistics(latents)
    flat = torch.cat([one.flatten(1) for one in latents], 1).double()
    np.testing.assert_allclose(found.mean, flat.mean(1), rtol=1e-6)
    np.testing.assert_allclose(found.std, flat.std(1, correction=0), rtol=1e-6)
    np.testing.assert_allclose(found.overall, flat.std(correction=0), rtol=1e-6)
