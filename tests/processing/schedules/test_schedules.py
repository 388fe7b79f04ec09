"""Every schedule keeps the contract; the ones with a closed form or a twin in diffusers equal it."""

import numpy as np
import pytest
import torch

from modules.core.errors import NotFoundError
from modules.processing.samplers import samplers
from modules.processing.schedules import (
    SigmaOptions,
    build_sigmas,
    resolve_schedule,
    schedules,
    split_combined_name,
)
from modules.processing.schedules.table import SigmaTable, rescale_zero_snr

ALPHAS = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
TABLE = SigmaTable(ALPHAS)


def sigmas_of(name, steps=20, **options):
    return build_sigmas(samplers.get("Euler a"), name, steps, TABLE, SigmaOptions(**options))


@pytest.mark.parametrize("name", schedules.names())
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 50])
def test_sigmas_fall_strictly_to_zero_within_the_models_range(name, steps):
    sigmas = sigmas_of(name, steps)
    assert sigmas.shape == (steps + 1,)
    assert float(sigmas[-1]) == 0
    assert bool((sigmas.diff() < 0).all()), sigmas
    assert float(sigmas[0]) <= TABLE.sigma_max * 1.0001


def test_stable_diffusions_own_range():
    assert TABLE.sigma_min == pytest.approx(0.0292, abs=1e-4)
    assert TABLE.sigma_max == pytest.approx(14.6146, abs=1e-3)


def test_time_and_sigma_invert_each_other():
    t = torch.tensor([0.0, 0.25, 1, 500.5, 998.9, 999])
    assert torch.allclose(TABLE.sigma_to_t(TABLE.t_to_sigma(t)).float(), t, atol=2e-2)
    assert torch.allclose(TABLE.sigma_to_t(TABLE.sigmas).float(), torch.arange(1000.0), atol=2e-2)


@pytest.mark.parametrize(
    ("name", "flag"),
    [("Karras", "use_karras_sigmas"), ("Exponential", "use_exponential_sigmas")],
)
def test_diffusers_gives_the_same_sigmas(name, flag):
    from diffusers import EulerDiscreteScheduler

    theirs = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="linspace", **{flag: True}
    )
    theirs.set_timesteps(15)
    np.testing.assert_allclose(sigmas_of(name, 15).numpy(), theirs.sigmas.numpy(), rtol=2e-4)


def test_uniform_is_diffusers_linspace_interpolated_in_log_sigma():
    from diffusers import EulerDiscreteScheduler

    theirs = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="linspace",
        interpolation_type="log_linear",
    )
    theirs.set_timesteps(12)
    ours = sigmas_of("Uniform", 12)
    assert float(ours[0]) == pytest.approx(float(theirs.sigmas[0]), rel=1e-4)
    assert float(ours[11]) == pytest.approx(float(TABLE.sigmas[0]), rel=1e-4)


def test_align_your_steps_is_the_published_table_at_its_own_length():
    expected = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
    np.testing.assert_allclose(sigmas_of("Align Your Steps", 11)[:-1].numpy(), expected, rtol=1e-5)
    assert float(sigmas_of("Align Your Steps", 11, is_sdxl=True)[1]) == pytest.approx(6.315, rel=1e-5)


def test_a_person_may_bend_ends_and_rho():
    sigmas = sigmas_of("Karras", 10, sigma_min=0.1, sigma_max=10.0, rho=3.0)
    assert float(sigmas[0]) == pytest.approx(10.0, rel=1e-5)
    assert float(sigmas[-2]) == pytest.approx(0.1, rel=1e-5)
    roots = sigmas[:-1] ** (1 / 3)
    assert torch.allclose(roots.diff(), roots.diff()[0].expand(9), atol=1e-5)


def test_the_penultimate_sigma_is_left_out_and_the_count_kept():
    plain, longer = sigmas_of("Karras", 10), sigmas_of("Karras", 11)
    cut = sigmas_of("Karras", 10, discard_penultimate=True)
    assert len(cut) == len(plain)
    assert torch.equal(cut, torch.cat([longer[:-2], longer[-1:]]))


def test_zero_snr_keeps_the_first_level_and_ends_in_noise():
    scaled = rescale_zero_snr(ALPHAS)
    assert float(scaled[0]) == pytest.approx(float(ALPHAS[0]), rel=1e-9)
    assert float(scaled[-1]) < 1e-7
    assert bool((scaled.diff() < 0).all())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DPM++ 2M", ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M Karras", ("DPM++ 2M", "Automatic")),
        ("dpm++ 2m karras", ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M Exponential", ("DPM++ 2M", "Exponential")),
        ("DPM++ 2M SGMUniform", ("DPM++ 2M", "SGM Uniform")),
        ("Euler a Karras", ("Euler a", "Karras")),
        ("k_euler_a", ("Euler a", "Automatic")),
    ],
)
def test_old_combined_names_are_split(name, expected):
    assert split_combined_name(name) == expected


def test_an_unknown_sampler_teaches():
    with pytest.raises(NotFoundError, match="Euler"):
        split_combined_name("Eulr a")


def test_automatic_gives_way_to_the_samplers_own_schedule():
    assert resolve_schedule(samplers.get("DPM++ 2M"), "Automatic") == "Karras"
    assert resolve_schedule(samplers.get("DPM++ 2M"), "beta") == "Beta"
    assert resolve_schedule(samplers.get("Euler a"), "automatic") == "Automatic"
