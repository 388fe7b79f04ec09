import pytest
import torch

from modules.processing.stages.tiling import circular_padding


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


def test_the_old_padding_comes_back_after_an_error():
    convolution = torch.nn.Conv2d(1, 1, 3, padding=1)
    with pytest.raises(RuntimeError), circular_padding(convolution):
        raise RuntimeError
    assert convolution.padding_mode == "zeros"
