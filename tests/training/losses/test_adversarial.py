from __future__ import annotations

import pytest
import torch
from torch import nn

from modules.training.config import Adversarial
from modules.training.losses.adversarial import Adversary, PatchGan, adaptive_weight, gradient_penalty, hinge

SMALL = Adversarial(weight=0.5, start=10, alone=4, ramp=5, channels=4, layers=2)


def test_hinge_is_its_closed_form() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, -0.5, 1.0])
    assert float(hinge(real, fake)) == pytest.approx(0.5 * (0 + 0.5 + 2) / 3 + 0.5 * (0 + 0.5 + 2) / 3)
    assert float(hinge(torch.full((3,), 1.1), torch.full((3,), -1.1))) == 0


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_square_of_pixels(layers: int, field: int) -> None:
    torch.manual_seed(0)
    pictures = torch.randn(1, 3, 128, 128, requires_grad=True)
    logits = PatchGan(4, layers)(pictures)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert pictures.grad is not None
    seen = pictures.grad[0].abs().sum(0) > 0
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    assert (len(rows), len(columns)) == (field, field)
    assert int(rows[-1] - rows[0]) == field - 1


def test_a_picture_of_256_has_30_by_30_logits_of_the_published_network() -> None:
    model = PatchGan(64, 3)
    weights = sum(one.numel() for one in model.parameters())
    assert weights == 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 128 + 256 + 512 + 1
    assert PatchGan(4, 3)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_spectral_norm_holds_every_convolution_at_1() -> None:
    torch.manual_seed(0)
    model = PatchGan(8, 2)
    for _ in range(60):  # each call is one power iteration
        model(torch.zeros(1, 3, 32, 32))
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d):
            largest = float(torch.linalg.svdvals(conv.weight.detach().flatten(1))[0])
            assert largest == pytest.approx(1, abs=0.05)


class Linear(nn.Module):
    """A decoder x -> W h with the losses |W h - x|^2 and -<u, W h>, whose gradients at W are known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]]))


def test_adaptive_weight_is_the_ratio_of_the_two_gradients() -> None:
    decoder, h = Linear(), torch.tensor([2.0, -1.0])
    x, u = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([0.3, 0.1, -0.2])
    output = decoder.weight @ h
    weight = adaptive_weight((output - x).square().sum(), -(u @ output), decoder.weight, most=1e4)
    wanted = 2 * (output.detach() - x).norm() * h.norm() / (u.norm() * h.norm() + 1e-4)
    torch.testing.assert_close(weight, wanted)
    assert not weight.requires_grad
    output = decoder.weight @ h
    limited = adaptive_weight((output - x).square().sum(), -(u @ output), decoder.weight, most=3.0)
    assert float(limited) == 3.0


def test_the_decoder_hears_of_it_late_and_then_more_and_more() -> None:
    adversary = Adversary(SMALL)
    heard = {step: adversary.strength(step) for step in (0, 9, 10, 12, 14, 15, 1000)}
    assert heard == pytest.approx({0: 0, 9: 0, 10: 0.1, 12: 0.3, 14: 0.5, 15: 0.5, 1000: 0.5})
    decoder = nn.Conv2d(3, 3, 1)
    output, target = decoder(torch.randn(2, 3, 32, 32)), torch.randn(2, 3, 32, 32)
    reconstruction = (output - target).square().mean()
    nothing, parts = adversary.decoder_loss(9, output, reconstruction, decoder.weight)
    assert float(nothing) == 0
    assert parts == {}
    loss, parts = adversary.decoder_loss(12, output, reconstruction, decoder.weight)
    torch.testing.assert_close(loss, 0.3 * parts["adversarial_weight"] * parts["adversarial"])


def test_each_side_learns_from_its_own_loss_alone() -> None:
    torch.manual_seed(0)
    adversary, decoder = Adversary(SMALL), nn.Conv2d(3, 3, 1)
    output, target = decoder(torch.randn(2, 3, 32, 32)), torch.randn(2, 3, 32, 32)
    before = {name: one.clone() for name, one in adversary.discriminator.state_dict().items()}
    loss, _ = adversary.decoder_loss(20, output, (output - target).square().mean(), decoder.weight)
    loss.backward()
    assert decoder.weight.grad is not None
    assert float(decoder.weight.grad.abs().max()) > 0
    assert all(one.grad is None for one in adversary.discriminator.parameters())
    assert all(torch.equal(one, before[name]) for name, one in adversary.discriminator.state_dict().items())

    decoder.weight.grad = None
    own = adversary.loss(20, target, output)
    assert own is not None
    own[0].backward()
    assert decoder.weight.grad is None
    assert all(one.grad is not None for one in adversary.discriminator.parameters())


def test_the_discriminator_begins_alone() -> None:
    adversary, pictures = Adversary(SMALL), torch.randn(2, 3, 32, 32)
    assert adversary.loss(5, pictures, pictures) is None
    assert adversary.loss(6, pictures, pictures) is not None


def test_penalty_is_the_squared_slope_and_comes_now_and_then() -> None:
    slope = torch.randn(3, 8, 8)

    class Slope(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return (pictures * slope).sum((1, 2, 3))

    penalty = gradient_penalty(Slope(), torch.randn(5, 3, 8, 8))
    torch.testing.assert_close(penalty, 0.5 * slope.square().sum())

    adversary = Adversary(Adversarial(weight=1, start=0, penalty=2.0, penalty_every=4, channels=4, layers=2))
    pictures, made = torch.randn(2, 2, 3, 32, 32)
    rows = [adversary.loss(step, pictures, made) for step in range(5)]
    assert ["penalty" in row[1] for row in rows if row is not None] == [True, False, False, False, True]
    assert rows[4] is not None
    rest = adversary.discriminator.eval()
    real, fake = rest(pictures), rest(made)
    parts = rows[4][1]
    torch.testing.assert_close(rows[4][0], hinge(real, fake) + 2.0 * 4 * parts["penalty"], rtol=1e-2, atol=1e-3)


def test_it_learns_to_tell_sharp_from_blurred() -> None:
    torch.manual_seed(0)
    adversary = Adversary(Adversarial(weight=1, start=0, channels=8, layers=2))
    optimizer = torch.optim.Adam(adversary.discriminator.parameters(), 2e-3, betas=(0.5, 0.9))
    real = fake = 0.0
    for step in range(60):
        sharp = torch.randn(4, 3, 32, 32).sign()
        row = adversary.loss(step, sharp, nn.functional.avg_pool2d(sharp, 3, 1, 1))
        assert row is not None
        optimizer.zero_grad()
        row[0].backward()
        optimizer.step()
        real, fake = float(row[1]["real"].detach()), float(row[1]["fake"].detach())
    assert real > fake + 0.5, f"real {real:.2f}, made {fake:.2f}"
