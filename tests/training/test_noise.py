from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from modules.core.errors import UserError
from modules.processing.schedules.table import rescale_zero_snr
from modules.training import noise
from modules.training.config import Diffusion, Prediction

PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "v_prediction", "flow_prediction")


def test_schedule_is_that_of_diffusers_and_ends_where_it_says() -> None:
    ours = noise.alphas_cumprod(0.0015, 0.0155)
    theirs = DDPMScheduler(beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear").alphas_cumprod
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-7)
    assert noise.terminal_snr_db(ours) == pytest.approx(-31.75, abs=0.1)


def test_cosine_schedule_is_that_of_diffusers() -> None:
    theirs = DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    ours = noise.make_process(Diffusion(schedule="cosine")).alpha.square()
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-3, atol=1e-6)
    assert float(ours[499]) == pytest.approx(0.494, abs=2e-3), "half the signal half way"


@pytest.mark.parametrize("latent_std", [1.0, 0.25, 1.7])
@pytest.mark.parametrize("target", [-20.0, -30.0, -26.0])
def test_adapted_schedule_ends_at_the_target(target: float, latent_std: float) -> None:
    settings = Diffusion(schedule="snr_adapted", terminal_snr_db=target, beta_start=0.0005)
    process = noise.make_process(settings, latent_std)
    generator = torch.Generator().manual_seed(0)
    x0 = latent_std * torch.randn(200_000, generator=generator, dtype=torch.float64)
    signal, rest = process.alpha[-1] * x0, process.sigma[-1] * torch.randn(200_000, generator=generator)
    measured = float(10 * torch.log10(signal.square().mean() / rest.square().mean()))
    assert measured == pytest.approx(target, abs=0.1)
    assert (process.snr_db.diff() < 0).all()


def test_target_that_no_schedule_reaches_is_refused() -> None:
    with pytest.raises(UserError, match=r"beta_start 0\.0015 .* is the highest"):
        noise.solve_beta_end(0.0015, -3.0)


def test_zero_terminal_snr_is_that_of_diffusers_and_keeps_the_first_step() -> None:
    plain = noise.alphas_cumprod(0.00085, 0.012)
    ours = rescale_zero_snr(plain)
    theirs = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    ).alphas_cumprod
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-3, atol=1e-6)
    assert float(ours[-1]) == 0.0
    assert float(ours[0]) == pytest.approx(float(plain[0]), rel=1e-12)
    first, last = float(plain[0].sqrt()), float(plain[-1].sqrt())
    closed = [((math.sqrt(one) - last) * first / (first - last)) ** 2 for one in plain.tolist()]
    torch.testing.assert_close(ours, torch.tensor(closed, dtype=torch.float64), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_picture_and_noise_come_back_from_every_prediction(prediction: Prediction) -> None:
    generator = torch.Generator().manual_seed(0)
    x0, epsilon = (torch.randn(4, 2, 3, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    process = noise.make_process(Diffusion(prediction=prediction))
    index = torch.tensor([0, 300, 700, 980])
    alpha, sigma = process.alpha[index][:, None, None, None], process.sigma[index][:, None, None, None]
    noisy = alpha * x0 + sigma * epsilon
    output = noise.target_of(prediction, x0, epsilon, alpha, sigma)
    found = noise.split(prediction, output, noisy, alpha, sigma)
    torch.testing.assert_close(found, (x0, epsilon), rtol=1e-6, atol=1e-6)
    for other in PREDICTIONS:  # what one network says, said by another
        said = noise.target_of(other, *found, alpha, sigma)
        torch.testing.assert_close(said, noise.target_of(other, x0, epsilon, alpha, sigma), rtol=1e-6, atol=1e-6)


def test_v_is_turned_as_diffusers_turns_it() -> None:
    generator = torch.Generator().manual_seed(1)
    x0, epsilon = torch.randn(2, 4, 3, 3, generator=generator), torch.randn(2, 4, 3, 3, generator=generator)
    scheduler = DDPMScheduler(beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear")
    process = noise.make_process(Diffusion())
    timesteps = torch.tensor([100, 900])
    alpha, sigma = (one[timesteps][:, None, None, None].float() for one in (process.alpha, process.sigma))
    theirs = scheduler.get_velocity(x0, epsilon, timesteps)
    torch.testing.assert_close(noise.target_of("v_prediction", x0, epsilon, alpha, sigma), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_weighs_the_error_of_the_picture(prediction: Prediction) -> None:
    process = noise.make_process(Diffusion(prediction=prediction))
    index = torch.tensor([5, 200, 500, 800])
    alpha, sigma = process.alpha[index], process.sigma[index]
    generator = torch.Generator().manual_seed(2)
    x0, epsilon, mistake = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    noisy, gamma = alpha * x0 + sigma * epsilon, 5.0
    output = noise.target_of(prediction, x0, epsilon, alpha, sigma) + mistake
    of_picture = (noise.split(prediction, output, noisy, alpha, sigma)[0] - x0).square()
    wanted = torch.minimum((alpha / sigma).square(), torch.tensor(gamma)) * of_picture
    weighed = noise.min_snr_weight(prediction, alpha, sigma, gamma) * mistake.square()
    torch.testing.assert_close(weighed, wanted, rtol=1e-6, atol=1e-9)


def test_min_snr_weights_of_stable_diffusions_schedule() -> None:
    abar = noise.alphas_cumprod(0.00085, 0.012)
    alpha, sigma = abar.sqrt(), (1 - abar).sqrt()
    assert float(noise.min_snr_weight("epsilon", alpha, sigma, 5).mean()) == pytest.approx(0.917, abs=2e-3)
    assert float(noise.min_snr_weight("v_prediction", alpha, sigma, 5).mean()) == pytest.approx(0.294, abs=2e-3)


def test_the_step_of_pure_noise_still_weighs_something() -> None:
    zero_snr = noise.make_process(Diffusion(zero_terminal_snr=True))
    assert float(noise.min_snr_weight("v_prediction", zero_snr.alpha, zero_snr.sigma, 5)[-1]) == 0
    assert float(noise.loss_weights(zero_snr, 5).min()) == noise.LEAST_WEIGHT
    usual = noise.make_process(Diffusion())
    assert float(noise.loss_weights(usual, 5).min()) < 0.01


def test_offset_adds_one_number_per_picture_and_channel() -> None:
    shape = torch.Size((64, 4, 8, 8))
    plain = noise.draw_noise(shape, 0.0, torch.Generator().manual_seed(3))
    moved = noise.draw_noise(shape, 0.5, torch.Generator().manual_seed(3)) - plain
    assert float(moved.std((2, 3)).max()) < 1e-6
    assert float(moved[:, :, 0, 0].std()) == pytest.approx(0.5, abs=0.06)


def test_each_part_of_the_range_gets_one_timestep() -> None:
    timesteps = noise.stratified_timesteps(10, torch.Generator().manual_seed(3))
    assert (timesteps // 100).tolist() == list(range(10))
