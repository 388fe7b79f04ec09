"""Whole pictures by a tiny model: what a request says is what is made, saved and told."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import StageError, UserError
from modules.imaging.infotext import parse_infotext
from modules.imaging.metadata import read_papers
from modules.processing.hooks import LATENTS, FinalLatents
from modules.processing.progress import Control, Picture, Preview, Progress
from modules.processing.reproduce import reproduce
from modules.processing.requests import After, Generate, ModelChoice, Prompt, Refiner, Sampling, Seed, Shape

BASE = Generate(
    prompt=Prompt(positive="a (red:1.3) apple, [cat|dog]", negative="blurry"),
    shape=Shape(width=64, height=64),
    seed=Seed(seed=7),
    sampling=Sampling(sampler="Euler a", steps=3, cfg_scale=5.0),
    after=After(save=False, grid=False),
)


def change(request: Generate, **groups) -> Generate:
    """The request with some fields of some groups changed: change(BASE, shape={"width": 72})."""
    return dataclasses.replace(
        request, **{name: dataclasses.replace(getattr(request, name), **fields) for name, fields in groups.items()}
    )


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(picture.path).convert("RGB")).astype(int)


def test_the_same_request_gives_the_same_file_of_the_asked_size(engine):
    request = change(BASE, shape={"width": 72, "height": 64})
    first, second = engine.run(request).pictures[0], engine.run(request).pictures[0]
    assert Image.open(first.path).size == (72, 64)
    assert first.path != second.path
    assert np.array_equal(pixels(first), pixels(second))


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M", "DPM adaptive"])
def test_a_picture_of_a_batch_is_the_picture_alone(engine, sampler):
    request = change(BASE, sampling={"sampler": sampler}, shape={"batch_size": 3})
    batch = engine.run(request).pictures
    alone = engine.run(change(request, shape={"batch_size": 1}, seed={"seed": 8})).pictures[0]
    assert [one.seed for one in batch] == [7, 8, 9]
    assert np.abs(pixels(batch[1]) - pixels(alone)).max() <= 1
    assert np.abs(pixels(batch[0]) - pixels(batch[1])).max() > 1


def test_batches_and_sizes_count_up_the_same_seeds(engine):
    by_count = engine.run(change(BASE, shape={"batch_count": 2})).pictures
    by_size = engine.run(change(BASE, shape={"batch_size": 2})).pictures
    assert [one.seed for one in by_count] == [one.seed for one in by_size] == [7, 8]
    assert np.abs(pixels(by_count[1]) - pixels(by_size[1])).max() <= 1


def test_the_file_carries_its_papers(engine):
    picture = engine.run(BASE).pictures[0]
    papers = read_papers(Path(picture.path))
    fields = parse_infotext(papers.infotext)
    assert fields["Prompt"] == "a (red:1.3) apple, [cat|dog]"
    assert fields["Negative prompt"] == "blurry"
    assert (fields["Steps"], fields["Sampler"], fields["Seed"], fields["Size"]) == ("3", "Euler a", "7", "64x64")
    assert (fields["CFG scale"], fields["Model"], fields["RNG"]) == ("5", "tiny", "CPU")
    assert list(fields).index("Steps") < list(fields).index("Seed") < list(fields).index("Version")
    request = json.loads(papers.request or "{}")["request"]
    assert request["seed"]["seed"] == 7
    assert picture.infotext == papers.infotext


def test_a_picture_is_made_again_from_its_own_file(engine):
    request = change(BASE, shape={"batch_size": 2, "batch_count": 2}, seed={"seed": -1})
    for picture in engine.run(request).pictures:
        answer = reproduce(engine, Path(picture.path))
        assert answer.identical, answer
        assert str(answer) == "identical"


def test_another_model_is_told_as_the_reason(engine):
    picture = engine.run(BASE).pictures[0]
    changed = Image.open(picture.path)
    info = changed.info["easel"].replace("tiny", "tiny-v")
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("easel", info)
    path = Path(picture.path).with_name("other.png")
    changed.save(path, pnginfo=texts)
    answer = reproduce(engine, path)
    assert not answer.identical
    assert answer.difference


def test_settings_of_a_request_do_not_stay(engine):
    before = engine.settings.all()
    request = dataclasses.replace(BASE, overrides={"randn_source": "NV", "eta_ancestral": 0.5})
    fields = parse_infotext(engine.run(request).pictures[0].infotext)
    assert (fields["RNG"], fields["Eta"]) == ("NV", "0.5")
    assert engine.settings.all() == before


def test_progress_rises_to_the_end_and_previews_come(engine):
    events = []
    engine.run(BASE, report=events.append)
    fractions = [one.fraction for one in events if isinstance(one, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] > 0.9
    steps = [one.step for one in events if isinstance(one, Progress) and one.stage == "denoise"]
    assert steps == [0, 1, 2, 3]
    assert len([one for one in events if isinstance(one, Preview)]) == 3
    assert len([one for one in events if isinstance(one, Picture)]) == 1


def test_interrupt_ends_at_the_next_step_and_keeps_what_is_done(engine):
    control = Control()

    def report(event):
        if isinstance(event, Progress) and event.image == 1 and event.step == 1:
            control.interrupt()

    result = engine.run(change(BASE, shape={"batch_count": 5}), control=control, report=report)
    assert result.interrupted
    assert len(result.pictures) == 2  # the first, and the second as far as it came
    after_current = Control()
    after_current.interrupt(now=False)
    assert engine.run(change(BASE, shape={"batch_count": 5}), control=after_current).pictures == ()


def test_skip_gives_up_one_batch(engine):
    control = Control()

    def report(event):
        if isinstance(event, Progress) and event.image == 0 and event.step == 1:
            control.skip()

    result = engine.run(change(BASE, shape={"batch_count": 3}), control=control, report=report)
    assert [one.seed for one in result.pictures] == [8, 9]
    assert not result.interrupted


def test_variation_of_strength_zero_is_the_seed_itself_and_full_strength_the_other(engine):
    plain = pixels(engine.run(BASE).pictures[0])
    other = pixels(engine.run(change(BASE, seed={"seed": 99})).pictures[0])
    zero = engine.run(change(BASE, seed={"variation": 99, "variation_strength": 0.0})).pictures[0]
    half = engine.run(change(BASE, seed={"variation": 99, "variation_strength": 0.5})).pictures[0]
    assert np.array_equal(pixels(zero), plain)
    assert np.abs(pixels(half) - plain).max() > 1
    assert np.abs(pixels(half) - other).max() > 1


def test_v_prediction_and_clip_skip_and_tiling_are_told(engine):
    request = change(BASE, model={"checkpoint": "tiny-v", "clip_skip": 2, "tiling": True})
    fields = parse_infotext(engine.run(request).pictures[0].infotext)
    assert (fields["Model"], fields["Clip skip"], fields["Tiling"]) == ("tiny-v", "2", "True")


def test_the_refiner_takes_over_and_is_told(engine):
    refined = change(BASE, model={"refiner": Refiner(checkpoint="tiny-v", switch_at=0.3)})
    picture = engine.run(refined).pictures[0]
    assert parse_infotext(picture.infotext)["Refiner switch at"] == "0.3"
    assert np.abs(pixels(picture) - pixels(engine.run(BASE).pictures[0])).max() > 1
    late = change(BASE, model={"refiner": Refiner(checkpoint="tiny-v", switch_at=1.0)})
    assert np.array_equal(pixels(engine.run(late).pictures[0]), pixels(engine.run(BASE).pictures[0]))


def test_not_a_number_is_never_handed_over(engine):
    engine.hooks.on(LATENTS, lambda one: FinalLatents(latents=one.latents * float("nan"), plan=one.plan), owner="test")
    with pytest.raises(StageError) as caught:
        engine.run(BASE)
    assert caught.value.stage == "denoise"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (change(BASE, shape={"width": 20000}), "width"),
        (change(BASE, shape={"height": 8}), "height"),
        (change(BASE, sampling={"steps": 0}), "steps"),
        (change(BASE, sampling={"sampler": "Eulr"}), "sampler"),
        (change(BASE, sampling={"schedule": "Karas"}), "schedule"),
        (change(BASE, seed={"variation_strength": 2.0}), "variation_strength"),
        (dataclasses.replace(BASE, overrides={"randn_source": "dice"}), "randn_source"),
    ],
)
def test_what_cannot_be_granted_is_refused_before_it_queues(engine, request_, field):
    with pytest.raises(UserError) as caught:
        engine.resolve(request_)
    assert caught.value.field == field


def test_a_missing_model_is_named_and_suggested(engine):
    with pytest.raises(UserError, match="tyny"):
        engine.resolve(change(BASE, model={"checkpoint": "tyny"}))


def test_status_and_tokens(engine):
    assert engine.status().state == "cold"
    engine.preload()
    status = engine.status()
    assert (status.state, status.model[:4]) == ("ready", "tiny")
    assert status.bytes > 0
    used, room = engine.count_tokens("a cat")
    assert 0 < used < room == 75


def test_saved_pictures_and_their_grid_lie_in_outputs(engine):
    request = change(BASE, shape={"batch_size": 4}, after={"save": True, "grid": True})
    pictures = engine.run(request).pictures
    assert [one.kind for one in pictures] == ["grid"] + ["sample"] * 4
    for one in pictures:
        assert engine.paths.outputs in Path(one.path).parents
        assert one.saved
    assert Image.open(pictures[0].path).size == (128, 128)
    last = engine.paths.data / "params.txt"
    assert last.read_text("utf-8") == pictures[-1].infotext
    last.unlink()
    engine.settings.update({"write_params_txt": False})
    engine.run(change(BASE, after={"save": True}))
    assert not last.exists()


def test_a_grid_of_one_and_a_grid_not_shown_are_settings(engine):
    single = dataclasses.replace(
        change(BASE, after={"save": True, "grid": True}), overrides={"grid_only_if_multiple": False}
    )
    assert [one.kind for one in engine.run(single).pictures] == ["grid", "sample"]
    hidden = dataclasses.replace(single, overrides={"grid_only_if_multiple": False, "return_grid": False})
    assert [one.kind for one in engine.run(hidden).pictures] == ["sample"]
    assert len(list((engine.paths.outputs / "txt2img-grids").rglob("grid-*.png"))) == 2


def test_models_are_named_without_torch_objects_in_the_plan(engine):
    plan = engine.resolve(change(BASE, model=dataclasses.asdict(ModelChoice(checkpoint="tiny"))))
    assert plan.model.checkpoint.stem == "tiny"
    assert plan.sampling.schedule == "Automatic"


def test_a_stand_in_for_a_missing_checkpoint_is_told_with_the_pictures(engine):
    assert engine.resolve(BASE).notes == ()
    lost = dataclasses.replace(BASE, overrides={"sd_model_checkpoint": "lost"})
    (told,) = engine.run(lost).info["warnings"]
    assert "no checkpoint 'lost'" in told
    assert told.endswith(f"{engine.catalog.default(engine.settings).title} was used instead.")
    assert engine.resolve(change(lost, model={"checkpoint": "tiny"})).notes == ()


def test_prompts_are_logged_only_when_asked(engine, caplog):
    caplog.set_level("INFO")
    engine.run(BASE)
    assert "[cat|dog]" not in caplog.text
    engine.settings.update({"enable_console_prompts": True})
    engine.run(BASE)
    assert "Prompt: a (red:1.3) apple, [cat|dog]\nNegative prompt: blurry" in caplog.text
