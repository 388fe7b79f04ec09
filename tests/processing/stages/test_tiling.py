import pytest
import torch

from modules.processing.stages.tiling import circular_padding, wrapped_axes


def test_a_convolution_wraps_around_and_comes_back():
    convolution = torch.nn.Conv2d(1, 1, 3, padding=1, bias=False)
    torch.nn.init.ones_(convolution.weight)
    corner = torch.zeros(1, 1, 5, 5)
    corner[0, 0, 0, 0] = 1
    with torch.no_grad():
        before = convolution(corner)
        with circular_padding(convolution):
            wrapped = convolution(corner)
        after = convolution(corner)
    assert torch.equal(before, after)
    assert float(before[0, 0, 4, 4]) == 0
    assert float(wrapped[0, 0, 4, 4]) == pytest.approx(1.0)
    shifted = torch.roll(corner, (2, 3), (2, 3))
    with torch.no_grad(), circular_padding(convolution):
        assert torch.allclose(convolution(shifted), torch.roll(wrapped, (2, 3), (2, 3)))


@pytest.mark.parametrize("axes", ["x", "y", "both"])
def test_only_the_chosen_edges_meet(axes):
    """A blurred noise is as smooth across a wrapped edge as inside, and not across the other."""
    blur = torch.nn.Sequential(*[torch.nn.Conv2d(1, 1, 5, padding=2, bias=False) for _ in range(3)])
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) + 2
    with torch.no_grad(), circular_padding(blur, axes=axes):
        for one in blur:
            one.weight.fill_(1 / 25)
        picture = blur(noise)
    for axis, name in ((3, "x"), (2, "y")):
        steps = (torch.roll(picture, 32, axis).diff(dim=axis)).abs().mean(dim=[one for one in range(4) if one != axis])
        ratio = float(steps[31] / torch.cat([steps[12:20], steps[44:52]]).mean())  # at the old edge, and inside
        met = axes in (name, "both")
        assert (0.6 < ratio < 1.6) if met else ratio > 0.6, (name, ratio)
        assert wrapped_axes(blur) == (False, False)
        shifted = torch.roll(noise, 17, axis)
        with torch.no_grad(), circular_padding(blur, axes=axes):
            again = blur(shifted)
            assert wrapped_axes(blur) == (axes in ("y", "both"), axes in ("x", "both"))
        same = torch.allclose(again, torch.roll(picture, 17, axis), atol=1e-5)
        assert same == met, (name, axes)


def test_the_old_padding_comes_back_after_an_error():
    convolution = torch.nn.Conv2d(1, 1, 3, padding=1)
    with pytest.raises(RuntimeError), circular_padding(convolution):
        raise RuntimeError
    assert wrapped_axes(convolution) == (False, False)
