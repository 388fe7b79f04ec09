from __future__ import annotations

import numpy as np
import torch
from torch import nn

from modules.training.ema import Ema


def test_mean_equals_its_closed_form() -> None:
    weight = nn.Parameter(torch.tensor([0.0], dtype=torch.float64))
    ema = Ema({"w": weight}, decay=0.7)
    values = [1.0, -2.0, 5.0, 3.0, 8.0, 1.5, -4.0, 2.0, 9.0]
    for value in values:
        with torch.no_grad():
            weight.fill_(value)
        ema.update()
    decays = [min(0.7, (1 + n) / (10 + n)) for n in range(len(values))]
    closed = sum((1 - d) * v * np.prod(decays[n + 1 :]) for n, (d, v) in enumerate(zip(decays, values)))
    np.testing.assert_allclose(ema.shadow["w"].item(), closed, rtol=1e-12)


def test_own_weights_come_back_after_use() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    ema = Ema({"w": weight}, decay=0.5)
    with torch.no_grad():
        weight.fill_(3.0)
    with ema.applied():
        assert weight.item() == 1.0
    assert weight.item() == 3.0
