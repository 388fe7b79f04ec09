"""The network is a closed form here, x0 = the mean of the conditioning: what guidance makes of it is known."""

import dataclasses
from dataclasses import replace

import pytest
import torch

from modules.processing.hooks import GUIDED, Hooks
from modules.processing.plan import GuidancePlan
from modules.processing.stages.conditioning import Conditioning
from modules.processing.stages.guidance import GuidedDenoiser, PictureConditions, Told

PLAN = GuidancePlan(cfg_scale=7.0, skip_below=0.0, skip_below_always=False, skip_early=0.0, batched=True)
X = torch.zeros(1, 4, 2, 2)
SIGMA = torch.tensor(1.0)


class MeanNetwork:
    """x0 is the mean of the conditioning plus that of the picture seen, minus a tenth of sigma; counts rows by call."""

    table = None

    def __init__(self):
        self.calls = []

    def __call__(self, x, sigma, cross, added, extra=None):
        self.calls.append(cross.shape)
        seen = 0 if extra is None else extra.mean(dim=(1, 2, 3)).view(-1, 1, 1, 1)
        return torch.zeros_like(x) + cross.mean(dim=(1, 2)).view(-1, 1, 1, 1) + seen - 0.1 * sigma.view(-1, 1, 1, 1)


def says(value, chunks=1):
    return Conditioning(cross=torch.full((1, 77 * chunks, 8), float(value)))


def picture(*parts, negative=1.0):
    return PictureConditions(
        parts=tuple((weight, [(99, says(value))]) for weight, value in parts), negative=[(99, says(negative))]
    )


def denoiser(*pictures, plan=PLAN, hooks=None, steps=10):
    network = MeanNetwork()
    told = Told(network=network, pictures=pictures, added=lambda rows, negative: None)
    return GuidedDenoiser(told, plan, steps=steps, hooks=hooks or Hooks()), network


def value(tensor):
    assert float(tensor.max() - tensor.min()) == 0
    return float(tensor.flatten()[0])


def test_guidance_is_uncond_plus_scale_times_the_difference():
    guided, _ = denoiser(picture((1.0, 3.0)))
    assert value(guided(X, SIGMA)) == pytest.approx(1 + 7 * (3 - 1) - 0.1, abs=1e-5)
    assert value(guided.uncond) == pytest.approx(1 - 0.1, abs=1e-5)


def test_and_parts_add_up_with_their_weights():
    guided, _ = denoiser(picture((1.0, 3.0), (-0.5, 5.0)))
    assert value(guided(X, SIGMA)) == pytest.approx(1 + 7 * ((3 - 1) - 0.5 * (5 - 1)) - 0.1, abs=1e-4)


def test_a_picture_in_a_batch_is_told_only_its_own_prompt():
    both, network = denoiser(picture((1.0, 3.0)), picture((1.0, -2.0), (0.5, 4.0), negative=0.5))
    together = both(X.expand(2, -1, -1, -1), SIGMA)
    for index, alone in enumerate((picture((1.0, 3.0)), picture((1.0, -2.0), (0.5, 4.0), negative=0.5))):
        assert torch.equal(together[index : index + 1], denoiser(alone)[0](X, SIGMA))
    assert [shape[0] for shape in network.calls] == [5]  # three parts and two negatives, one call


def test_texts_of_different_length_are_called_apart_with_the_same_result():
    long = PictureConditions(parts=((1.0, [(99, says(3.0, chunks=2))]),), negative=[(99, says(1.0))])
    guided, network = denoiser(long)
    assert value(guided(X, SIGMA)) == pytest.approx(1 + 7 * 2 - 0.1, abs=1e-5)
    assert len(network.calls) == 2


def test_a_scale_of_one_does_not_evaluate_the_negative_prompt():
    guided, network = denoiser(picture((1.0, 3.0)), plan=dataclasses.replace(PLAN, cfg_scale=1.0))
    assert value(guided(X, SIGMA)) == pytest.approx(3 - 0.1, abs=1e-6)
    assert network.calls == [torch.Size([1, 77, 8])]


@pytest.mark.parametrize(("always", "expected"), [(False, [2, 1, 2, 1]), (True, [1, 1, 1, 1])])
def test_below_its_sigma_the_negative_prompt_rests(always, expected):
    plan = dataclasses.replace(PLAN, skip_below=2.0, skip_below_always=always)
    guided, network = denoiser(picture((1.0, 3.0)), plan=plan)
    for _ in range(4):
        guided(X, SIGMA)
    assert [shape[0] for shape in network.calls] == expected


def test_a_prompt_changes_after_its_last_step():
    timeline = [(2, says(3.0)), (9, says(5.0))]
    guided, _ = denoiser(
        PictureConditions(parts=((1.0, timeline),), negative=[(9, says(1.0))]),
        plan=dataclasses.replace(PLAN, cfg_scale=1.0),
    )
    seen = [round(value(guided(X, SIGMA)), 2) for _ in range(5)]
    assert seen == [2.9, 2.9, 2.9, 4.9, 4.9]


def test_a_hook_sees_both_predictions_and_may_replace_the_result():
    hooks = Hooks()
    hooks.on(GUIDED, lambda one: dataclasses.replace(one, denoised=one.cond - one.uncond), owner="test")
    guided, _ = denoiser(picture((1.0, 3.0)), hooks=hooks)
    assert value(guided(X, SIGMA)) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize("image_cfg", [0.0, 1.0, 1.5, 3.0])
def test_an_edit_model_weighs_its_picture_apart_from_its_words(image_cfg):
    """Brooks et al. 2023, eq. 3: blind + image_cfg (picture - blind) + cfg (words and picture - picture)."""
    guided, network = denoiser(picture((1.0, 3.0)))
    guided.told = replace(guided.told, seen=torch.full((1, 4, *X.shape[2:]), 0.5), image_cfg=image_cfg)
    both, picture_alone, blind = 3.5, 1.5, 1.0
    expected = blind + image_cfg * (picture_alone - blind) + 7 * (both - picture_alone) - 0.1
    assert value(guided(X, SIGMA)) == pytest.approx(expected, abs=1e-5)
    assert network.calls[0][0] == (2 if image_cfg == 1.0 else 3)


def test_what_must_not_change_is_put_back_after_each_call():
    guided, _ = denoiser(picture((1.0, 3.0)))
    guided._blend = lambda denoised, sigma, step: torch.full_like(denoised, step)
    assert [value(guided(X, SIGMA)) for _ in range(3)] == [0, 1, 2]
