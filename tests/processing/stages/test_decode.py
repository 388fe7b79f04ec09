import torch

from modules.processing.options import VaeTiles
from modules.processing.requests import After, Generate, Sampling, Seed, Shape
from modules.processing.stages import decode as stage

REQUEST = Generate(
    shape=Shape(width=64, height=128),
    seed=Seed(seed=1),
    sampling=Sampling(sampler="Euler", steps=1),
    after=After(save=False),
)


def loaded(engine):
    return engine.store.load(engine.catalog.find_checkpoint("tiny"), None, "fp32")


def test_auto_tiles_above_a_size():
    tiles = VaeTiles(above=1000)
    assert [tiles.wanted(pixels) for pixels in (1000, 1001)] == [False, True]
    assert not VaeTiles(when="never").wanted(10**9)
    assert VaeTiles(when="always").wanted(1)


def test_without_memory_tiles_are_tried_and_told(engine, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    plain = engine.run(REQUEST).pictures[0]
    assert "VAE tiling" not in plain.infotext
    monkeypatch.setattr("diffusers.AutoencoderKL.decode", full)
    rescued = engine.run(REQUEST).pictures[0]
    assert "VAE tiling: 512" in rescued.infotext
    assert rescued.width == plain.width


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
