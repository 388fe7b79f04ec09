from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from modules.core.errors import UserError
from modules.training import checkpoints
from modules.training.config import Config, Prediction
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.datasets.folder import PictureFolder
from modules.training.loop import train
from modules.training.methods.latent_diffusion import LatentDiffusion


def changed(config: Config, section: str, **values: Any) -> Config:
    return dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **values)})


def error_before_and_after(config: Config, method: LatentDiffusion) -> tuple[float, float]:
    with torch.no_grad():
        before = method.validate()["mse"]
    train(config, method)
    with torch.no_grad():
        return before, method.validate()["mse"]


@pytest.fixture
def folder_config(diffusion_config: Config, tmp_path: Path) -> Config:
    """Striped pictures of three shapes; every bucket has several."""
    (tmp_path / "pictures").mkdir()
    for index, (name, rgb) in enumerate({"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 70, 220)}.items()):
        for width, height in ((64, 32), (32, 64), (48, 48)):
            picture = np.full((height, width, 3), rgb, np.uint8)
            picture[:: 4 + index] = 255
            Image.fromarray(picture).save(tmp_path / "pictures" / f"{name} stripes {width}x{height}_1.png")
    config = changed(diffusion_config, "data", folder=str(tmp_path / "pictures"), kind="folder", bucket_step=8)
    return changed(config, "data", colours=10, rare_colours=1, pairs=0)


def test_training_lowers_the_validation_error(diffusion_config: Config, pictures: PictureSet) -> None:
    config = changed(diffusion_config, "run", steps=150, batch_size=8, save_every=1000)
    before, after = error_before_and_after(config, LatentDiffusion(config, pictures))
    assert after < 0.8 * before, f"{before:.3f} before, {after:.3f} after"


@pytest.mark.parametrize("prediction", ["epsilon", "flow_prediction", "v_prediction"])
def test_every_prediction_learns_from_a_folder_in_buckets(prediction: Prediction, folder_config: Config) -> None:
    config = changed(folder_config, "run", steps=30, batch_size=6, save_every=1000)
    config = changed(config, "diffusion", prediction=prediction, min_snr=5.0, noise_offset=0.05)
    method = LatentDiffusion(config, PictureFolder(config.data))
    assert len(method.latents) == 3
    before, after = error_before_and_after(config, method)
    assert after < 0.85 * before, f"{before:.3f} before, {after:.3f} after"


def test_loss_does_not_depend_on_the_buckets_size(diffusion_config: Config, pictures: PictureSet) -> None:
    method = LatentDiffusion(diffusion_config, pictures)  # its U-Net still says 0 everywhere
    timesteps = torch.tensor([100, 700])
    alpha, sigma = method.alpha[timesteps], method.sigma[timesteps]
    wanted = (alpha * 0.3 - sigma * 0.5).square()
    for height, width in ((8, 8), (4, 16), (16, 32)):
        shape = (2, 4, height, width)
        with torch.no_grad():
            errors = method._errors(torch.full(shape, 0.5), torch.full(shape, 0.3), timesteps, ["a", "b"])
        torch.testing.assert_close(errors, wanted, rtol=1e-5, atol=1e-7)


def test_batches_of_a_folder_have_one_shape_and_their_own_captions(folder_config: Config) -> None:
    config = changed(folder_config, "diffusion", condition_dropout=0.0)
    source = PictureFolder(config.data)
    method = LatentDiffusion(config, source)
    shapes: set[tuple[int, ...]] = set()

    def errors(x0, epsilon, timesteps, texts, masks):
        assert masks is None
        shapes.add(tuple(x0.shape[2:]))
        for latent, text in zip(x0, texts):
            of_text = [item for item in range(len(source.cuts)) if source.label(item) == text]
            found = [method._rows(method.latents, [item])[0] for item in of_text]
            assert any(one.shape == latent.shape and torch.equal(one, latent) for one in found)
        return torch.zeros(len(x0))

    method._errors = errors  # type: ignore[method-assign]
    for step in range(30):
        method.loss(step, torch.Generator().manual_seed(step))
    assert len(shapes) == 3


def test_places_count_in_the_loss_as_the_masks_say(folder_config: Config) -> None:
    """What the network says 0 of counts its target's square; behind a mask only that of the shown half."""
    for path in Path(folder_config.data.folder).rglob("*.png"):
        with Image.open(path) as image:
            mask = Image.new("L", image.size)
            mask.paste(255, (0, 0, image.width // 2, image.height))
        mask.save(path.with_name(f"{path.stem}-masklabel.png"))
    config = changed(folder_config, "data", masks=True)
    method = LatentDiffusion(config, PictureFolder(config.data))
    for masks, latents in zip(method.masks, method.latents):
        assert masks.shape == (len(latents), 1, *latents.shape[2:])
        torch.testing.assert_close(masks.mean((1, 2, 3)), torch.ones(len(masks)))
    x0, masks = method.latents[0][:1], method.masks[0][:1]
    timesteps, epsilon = torch.tensor([500]), torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    alpha, sigma = method.alpha[500], method.sigma[500]
    target = alpha * epsilon - sigma * x0  # v
    with torch.no_grad():
        found = method._errors(x0, epsilon, timesteps, ["a"], masks)
    torch.testing.assert_close(found[0], (target.square() * masks).mean())
    half = target[..., : target.shape[3] // 2].square().mean()
    assert float(found[0]) == pytest.approx(float(half), rel=0.15)
    method.loss(0, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "settings",
    [
        {"prediction": "v_prediction"},
        {"prediction": "epsilon", "schedule": "snr_adapted"},
        {"prediction": "v_prediction", "schedule": "cosine"},
        {"prediction": "v_prediction", "zero_terminal_snr": True},
        {"prediction": "flow_prediction"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_result_is_a_pipeline_that_paints(
    settings: dict[str, Any], diffusion_config: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    method = LatentDiffusion(changed(diffusion_config, "diffusion", **settings), pictures)
    method.finish(tmp_path / "result")
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "result")
    assert pipeline.scheduler.config["prediction_type"] == settings["prediction"]
    if settings["prediction"] != "flow_prediction":
        abar = method.process.alpha.square().float()
        torch.testing.assert_close(pipeline.scheduler.alphas_cumprod, abar, rtol=2e-3, atol=1e-6)
    ids = pipeline.tokenizer("red circle on a blue background", padding="max_length", return_tensors="pt").input_ids
    assert ids.shape == (1, 77)
    assert int(ids.max()) == pipeline.text_encoder.config.eos_token_id == len(pipeline.tokenizer) - 1
    image = pipeline("red circle", num_inference_steps=4, output_type="np").images[0]
    assert image.shape == (32, 32, 3)
    assert np.isfinite(image).all()
    own = method.paint(["red circle"], seed=1)
    assert own.shape == (1, 32, 32, 3)
    assert own.std() > 1, "painted from noise by a network that says 0: not one colour"


def test_conditions_are_dropped_at_the_stated_rate(diffusion_config: Config, pictures: PictureSet) -> None:
    method = LatentDiffusion(diffusion_config, pictures)
    seen: list[str] = []
    method._errors = lambda x0, epsilon, timesteps, texts, masks: seen.extend(texts) or torch.zeros(len(x0))  # type: ignore[method-assign]
    for step in range(500):
        method.loss(step, torch.Generator().manual_seed(step))
    rate = sum(not text for text in seen) / len(seen)
    assert abs(rate - 0.1) < 0.02, rate


@pytest.fixture
def again(diffusion_config: Config, pictures: PictureSet, tmp_path: Path) -> Config:
    """Begins with the finished model in tmp_path / "first"."""
    LatentDiffusion(diffusion_config, pictures).finish(tmp_path / "first")
    config = changed(diffusion_config, "run", folder=str(tmp_path / "again"), seed=2, steps=2)
    return changed(config, "diffusion", start_from=str(tmp_path / "first"))


def test_a_run_goes_on_from_a_finished_model(diffusion_config: Config, pictures: PictureSet, again: Config) -> None:
    first = LatentDiffusion(diffusion_config, pictures)
    second = LatentDiffusion(again, pictures)
    for name, module in first.modules.items():
        for key, one in module.state_dict().items():
            torch.testing.assert_close(second.modules[name].state_dict()[key], one, rtol=1e-3, atol=1e-4)
    assert second.tokenizer.get_vocab() == first.tokenizer.get_vocab()


def test_a_state_needs_no_model_to_begin_with_and_keeps_its_tokenizer(
    again: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    words = LatentDiffusion(again, pictures).tokenizer.get_vocab()
    train(again, LatentDiffusion(again, pictures))
    shutil.rmtree(tmp_path / "first")
    method = LatentDiffusion(changed(again, "run", steps=3), pictures)
    assert method.tokenizer.get_vocab() == words
    (state,) = checkpoints.found(tmp_path / "again")
    (state / "state.json").write_text("{")
    with pytest.raises(UserError, match="start_from"):  # the only state is damaged: it would begin with nothing
        LatentDiffusion(again, pictures)


def test_a_folder_without_a_finished_model_is_told_before_anything_is_encoded(
    diffusion_config: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    config = changed(diffusion_config, "diffusion", start_from=str(tmp_path))
    with pytest.raises(UserError, match=r"unet/config\.json") as told:
        LatentDiffusion(config, pictures)
    assert told.value.field == "diffusion.start_from"
    assert not (tmp_path / "run" / "latents").exists()


@pytest.mark.parametrize("change", [{"text_layers": 2}, {"text_width": 16}, {"pooled_text": True}])
def test_a_finished_model_of_another_architecture_is_refused(
    again: Config, pictures: PictureSet, change: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="differs in") as told:
        LatentDiffusion(changed(again, "diffusion", **change), pictures)
    assert told.value.field == "diffusion.start_from"


def test_scaling_factor_is_measured_where_the_autoencoder_says_none(
    diffusion_config: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    about = tmp_path / "autoencoder" / "config.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "scaling_factor": None}))
    method = LatentDiffusion(diffusion_config, pictures)
    values = torch.cat([one.flatten() for one in method.latents])
    assert float(values.std()) == pytest.approx(1, abs=1e-3)
    method.finish(tmp_path / "result")
    told = json.loads((tmp_path / "result" / "vae" / "config.json").read_text())["scaling_factor"]
    kept = json.loads((tmp_path / "run" / "latents" / "statistics.json").read_text())
    assert told == kept["scaling_factor"] == pytest.approx(1 / kept["overall"])


def test_adapted_schedule_ends_at_the_target_for_the_measured_latents(
    diffusion_config: Config, pictures: PictureSet
) -> None:
    config = changed(diffusion_config, "diffusion", schedule="snr_adapted", terminal_snr_db=-22.0)
    method = LatentDiffusion(config, pictures)
    latents = torch.cat([one.flatten() for one in method.latents]).double()
    signal, rest = method.process.alpha[-1] * latents.std(), method.process.sigma[-1]
    assert float(20 * torch.log10(signal / rest)) == pytest.approx(-22, abs=0.1)


def test_run_goes_on_at_a_larger_size(diffusion_config: Config, pictures: PictureSet, tmp_path: Path) -> None:
    config = changed(diffusion_config, "run", steps=2, batch_size=2)
    small = LatentDiffusion(config, pictures)
    train(config, small)
    larger = changed(changed(config, "run", steps=4), "data", size=64)
    twice = PictureSet(pictures.subjects, np.asarray(pictures.pictures).repeat(2, 1).repeat(2, 2))
    method = LatentDiffusion(larger, twice)
    train(larger, method)
    assert method.latents[0].shape[-1] == 2 * small.latents[0].shape[-1]
    told = json.loads((tmp_path / "run" / "result" / "unet" / "config.json").read_text())
    assert told["sample_size"] == method.latents[0].shape[-1]
    assert (tmp_path / "run" / "states" / "step-0000004").is_dir()


def test_autoencoder_of_another_class_is_refused(
    diffusion_config: Config, pictures: PictureSet, tmp_path: Path
) -> None:
    about = tmp_path / "autoencoder" / "config.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "_class_name": "VQModel"}))
    with pytest.raises(UserError, match="VQModel"):
        LatentDiffusion(diffusion_config, pictures)


def test_size_that_the_autoencoder_cannot_take_is_refused(diffusion_config: Config, pictures: PictureSet) -> None:
    odd = PictureSet(pictures.subjects, np.ascontiguousarray(pictures.pictures[:, :30, :30]))
    with pytest.raises(UserError, match="30x30"):
        LatentDiffusion(changed(diffusion_config, "data", size=30), odd)
