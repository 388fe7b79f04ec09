import dataclasses

import numpy as np
import pytest
import torch

from modules.processing.options import VaeTiles
from modules.processing.progress import Control, Interrupted, Progress
from modules.processing.requests import After, Generate, Sampling, Seed, Shape
from modules.processing.stages import decode as stage

REQUEST = Generate(
    shape=Shape(width=64, height=128),
    seed=Seed(seed=1),
    sampling=Sampling(sampler="Euler", steps=1),
    after=After(save=False),
)


def loaded(engine):
    return engine._load(engine.catalog.find_checkpoint("tiny"), None, "fp32")


def test_auto_tiles_above_a_size():
    tiles = VaeTiles(above=1000)
    assert [tiles.wanted(pixels) for pixels in (1000, 1001)] == [False, True]
    assert not VaeTiles(when="never").wanted(10**9)
    assert VaeTiles(when="always").wanted(1)


def full_processor(*_, **__):
    torch.empty(2**56)


def full_numpy(*_, **__):
    np.empty(2**56)


def full_python(*_, **__):
    bytearray(2**62)


def full_card(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize("full", [full_processor, full_numpy, full_python, full_card])
def test_without_memory_tiles_are_tried_and_told(engine, monkeypatch, full):
    plain = engine.run(REQUEST).pictures[0]
    assert "VAE tiling" not in plain.infotext
    monkeypatch.setattr("diffusers.AutoencoderKL.decode", full)
    rescued = engine.run(REQUEST).pictures[0]
    assert "VAE tiling: 512" in rescued.infotext
    assert rescued.width == plain.width


def test_encoding_without_memory_is_tried_in_tiles(engine, monkeypatch):
    model, pixels = loaded(engine), torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    plain = stage.encode_pixels(model, pixels)
    model.encoded.clear()
    monkeypatch.setattr("diffusers.AutoencoderKL.encode", full_processor)
    torch.testing.assert_close(stage.encode_pixels(model, pixels), plain, rtol=1e-3, atol=1e-3)


def test_memory_that_does_not_suffice_for_tiles_is_told(engine, monkeypatch):
    monkeypatch.setattr("diffusers.AutoencoderKL.decode", full_processor)
    monkeypatch.setattr(stage, "tiled_decode", full_processor)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        engine.run(REQUEST)


def test_tiles_ask_whether_to_go_on(engine):
    asked = []

    def check():
        asked.append(1)
        if len(asked) == 3:
            raise Interrupted

    model = loaded(engine)
    model.vae_tiles = VaeTiles(when="always", size=64)
    for work, x in ((stage.decode, torch.randn(1, 4, 24, 16)), (stage.encode_pixels, torch.zeros(1, 3, 192, 128))):
        asked.clear()
        with pytest.raises(Interrupted):
            work(model, x, check)
        assert len(asked) == 3


@pytest.mark.parametrize(("stage_name", "left"), [("decode", []), ("denoise", [(128, 192)])])
def test_an_interrupt_ends_decoding_and_shows_what_denoising_left(engine, stage_name, left):
    control = Control()

    def report(event):
        if isinstance(event, Progress) and event.stage == stage_name:
            control.interrupt()

    asked = {"vae_tiling": "always", "vae_tile_size": 64}
    request = dataclasses.replace(REQUEST, shape=Shape(width=128, height=192), overrides=asked)
    result = engine.run(request, control=control, report=report)
    assert result.interrupted
    assert [(one.width, one.height) for one in result.pictures] == left


def test_another_error_is_not_hidden(engine, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("diffusers.AutoencoderKL.decode", broken)
    try:
        engine.run(REQUEST)
    except RuntimeError as error:
        assert "mat1" in str(error)  # noqa: PT017
    else:
        raise AssertionError


def test_pixels_do_not_depend_on_the_batch_or_the_tiles(engine):
    asked = {"vae_tiling": "always", "vae_tile_size": 64}
    shape = Shape(width=128, height=192, batch_size=2)
    both = engine.run(Generate(shape=shape, seed=Seed(seed=1), sampling=REQUEST.sampling, overrides=asked))
    assert all("VAE tiling: 64" in one.infotext for one in both.pictures if one.kind == "sample")


def test_running_out_of_memory_is_known_by_its_words():
    for one in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("not enough memory: 1 GB")):
        assert stage._no_memory(one)
    assert not stage._no_memory(RuntimeError("expected scalar type Half"))
