"""Textual inversion in whole prompts: the states of diffusers, names, widths, notes, papers and counts."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.infotext import parse_infotext
from modules.processing.engine import Engine
from modules.processing.models.catalog import ModelFile
from modules.processing.networks.embeddings import EmbeddingFile, model_widths
from modules.processing.pasted import request_from_fields
from modules.processing.requests import After, Generate, Prompt, Sampling, Seed, Shape
from modules.processing.stages.conditioning import encode_text
from tests.processing.models import tiny

WIDTH = 32
ASK = Generate(
    prompt=Prompt(positive="a myrtle tree", negative="badhand"),
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler", steps=2),
    after=After(save=False, grid=False),
)


def vectors(count: int, seed: int, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def learned(tiny_models_dir: Path, tmp_path: Path) -> Engine:
    """An engine over the tiny model with four embeddings in the data folder, one of them for another model."""
    folder = tmp_path / "embeddings"
    (folder / "more").mkdir(parents=True)
    save_file({"emb_params": vectors(3, 1)}, folder / "myrtle.safetensors")
    save_file({"<any>": vectors(1, 2)[0]}, folder / "badhand.safetensors")
    save_file({"emb_params": vectors(2, 3)}, folder / "more" / "myrtle tree.safetensors")
    save_file({"emb_params": vectors(2, 4, 768)}, folder / "sdone.safetensors")
    settings = Settings(values={"sd_model_checkpoint": "tiny", "memory_mode": "fp32"})
    made = Engine(Paths(data=tmp_path, models=tiny_models_dir), settings)
    made.catalog.refresh()
    return made


def asking(positive: str, negative: str = "") -> Generate:
    return dataclasses.replace(ASK, prompt=Prompt(positive=positive, negative=negative))


def states(engine: Engine, text: str) -> torch.Tensor:
    """[1, 77k, C] of a text as the engine's model sees it."""
    plan = engine.resolve(asking(text))
    model = engine._load(plan.model.checkpoint, None, plan.model.mode)
    return encode_text(model, text, plan.text).cross


def diffusers_parts(folder: Path) -> dict:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    kinds = {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "scheduler": DDIMScheduler,
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
        "tokenizer": CLIPTokenizer,
        "tokenizer_2": CLIPTokenizer,
    }
    return {name: kind.from_pretrained(folder / name) for name, kind in kinds.items() if (folder / name).is_dir()}


def test_states_are_those_of_diffusers(learned, tiny_models_dir):
    from diffusers import StableDiffusionPipeline

    parts = diffusers_parts(tiny_models_dir / "Stable-diffusion" / "tiny")
    pipe = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.load_textual_inversion({"myrtle": vectors(3, 1)}, "myrtle")
    expected, _ = pipe.encode_prompt("a myrtle leaf", "cpu", 1, False)
    assert torch.allclose(states(learned, "a myrtle leaf"), expected, atol=1e-5)
    plain, _ = pipe.encode_prompt("a leaf", "cpu", 1, False)
    assert torch.equal(states(learned, "a leaf"), plain)
    assert not torch.allclose(expected, plain, atol=1e-2)


def test_sdxl_reads_a_pair_as_diffusers_does(tiny_models_dir, tmp_path):
    from diffusers import StableDiffusionXLPipeline

    folder = tiny.make_tiny(tmp_path / "models" / "Stable-diffusion" / "xl", "sdxl")
    pair = {"clip_l": vectors(2, 1), "clip_g": vectors(2, 2)}
    (tmp_path / "embeddings").mkdir()
    save_file(pair, tmp_path / "embeddings" / "pair.safetensors")
    engine = Engine(
        Paths(data=tmp_path, models=tmp_path / "models"),
        Settings(values={"sd_model_checkpoint": "xl", "memory_mode": "fp32"}),
    )
    pipe = StableDiffusionXLPipeline(**diffusers_parts(folder))
    for part, encoder, tokenizer in (
        ("clip_l", pipe.text_encoder, pipe.tokenizer),
        ("clip_g", pipe.text_encoder_2, pipe.tokenizer_2),
    ):
        pipe.load_textual_inversion({"pair": pair[part]}, "pair", text_encoder=encoder, tokenizer=tokenizer)
    expected, _, pooled, _ = pipe.encode_prompt("a pair here", device="cpu", do_classifier_free_guidance=False)
    plan = engine.resolve(asking("a pair here"))
    made = encode_text(engine._load(plan.model.checkpoint, None, plan.model.mode), "a pair here", plan.text)
    assert torch.allclose(made.cross, expected, atol=1e-5)
    assert made.pooled is not None
    assert torch.allclose(made.pooled, pooled, atol=1e-5)


def test_the_longest_name_wins_and_weights_apply(learned):
    assert [one.name for one in learned.resolve(asking("a myrtle tree")).text.embeddings] == ["myrtle tree"]
    assert [one.name for one in learned.resolve(asking("a (MYRTLE:1.3)")).text.embeddings] == ["myrtle"]
    assert not torch.allclose(states(learned, "a (myrtle:1.3)"), states(learned, "a myrtle"), atol=1e-3)


def test_names_in_edits_and_in_the_negative_prompt_count(learned):
    plan = learned.resolve(asking("[cat:myrtle:0.5]", "badhand"))
    assert [one.name for one in plan.text.embeddings] == ["badhand", "myrtle"]


def test_an_embedding_is_not_split_over_two_chunks(learned):
    filler = "x " * 74
    assert states(learned, f"{filler}myrtle").shape[1] == 2 * 77
    assert learned.count_tokens(f"{filler}myrtle") == (75 + 3, 150)
    assert learned.count_tokens("a myrtle") == (4, 75)


def test_another_models_embedding_is_left_out_with_the_reason(learned):
    plan = learned.resolve(asking("a sdone"))
    assert plan.text.embeddings == ()
    assert plan.notes == (
        "The embedding sdone is left out. It is made for Stable Diffusion 1: its vectors have 768 numbers, "
        "the model's 32.",
    )


def test_papers_name_the_hashes_unless_told_not_to(learned):
    fields = parse_infotext(learned.run(ASK).pictures[0].infotext)
    hashes = learned.catalog.hashes
    folder = learned.paths.data / "embeddings"
    told = {"badhand": folder / "badhand.safetensors", "myrtle tree": folder / "more" / "myrtle tree.safetensors"}
    assert fields["TI hashes"] == ", ".join(f"{name}: {hashes.sha256(path)[:12]}" for name, path in told.items())
    quiet = dataclasses.replace(ASK, overrides={"textual_inversion_add_hashes_to_infotext": False})
    assert "TI hashes" not in parse_infotext(learned.run(quiet).pictures[0].infotext)


def test_what_an_infotext_names_and_is_not_here_is_told(learned):
    fields = parse_infotext(learned.run(ASK).pictures[0].infotext)
    assert learned.embeddings.missed(fields["TI hashes"]) == []
    told = learned.embeddings.missed("gone: 0123456789ab, badhand: ffffffffffff")
    assert told == [
        "The embedding gone [0123456789ab] is not here.",
        "The embedding badhand is here, but another one than [ffffffffffff].",
    ]
    assert request_from_fields(fields).unknown == {}


def test_a_changed_file_is_read_again(learned):
    first = states(learned, "badhand")
    save_file({"<any>": vectors(1, 9)[0] * 4}, learned.paths.data / "embeddings" / "badhand.safetensors")
    learned.embeddings.refresh()
    assert not torch.allclose(states(learned, "badhand"), first, atol=1e-3)


@pytest.mark.parametrize(
    ("widths", "family"),
    [((("", 768),), "sd1"), ((("", 1024),), "sd2"), ((("clip_l", 768), ("clip_g", 1280)), "sdxl"), ((("", 3),), "")],
)
def test_the_family_is_told_by_the_width(widths, family):
    found = EmbeddingFile(name="x", path=Path("x"), widths=widths)
    assert found.family == family
    if family:
        assert found.fits(
            model_widths(ModelFile(kind="checkpoint", path=Path("x.safetensors"), name="x", family=family))
        )


def test_previews_are_no_embeddings(learned):
    from PIL import Image

    folder = learned.paths.data / "embeddings"
    for name in ("myrtle.png", "other.preview.png", "alone.png"):
        Image.new("RGB", (9, 9), "white").save(folder / name)
    learned.embeddings.refresh()
    assert {one.name for one in learned.embeddings.files()} == {"myrtle", "badhand", "myrtle tree", "sdone"}
