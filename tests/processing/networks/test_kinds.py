"""Every kind changes a weight as its paper says: by dense formulas in NumPy, by convolutions, and by PEFT."""

from __future__ import annotations

from typing import Any

import numpy as np
import peft
import pytest
import torch
from torch.nn.functional import conv2d

from modules.processing.networks.keys import take_apart
from modules.processing.networks.kinds import kind_of, kinds

Tensors = dict[str, torch.Tensor]
CLOSE = {"rtol": 0, "atol": 1e-5}


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR) * 0.3


GENERATOR = torch.Generator().manual_seed(7)
LINEAR, CONV = random(12, 8), random(12, 8, 3, 3)


def change(weight: torch.Tensor, /, **tensors: torch.Tensor) -> np.ndarray:
    """What Easel makes of these tensors; also that their sizes are said to fit this weight and no larger one."""
    sizes = {name: tuple(one.shape) for name, one in tensors.items()}
    kind = kind_of(sizes)
    assert kind is not None
    assert kind.fits(sizes, tuple(weight.shape))
    assert not kind.fits(sizes, tuple(one * 3 + 2 for one in weight.shape))
    return kind.change(weight, tensors).numpy()


def test_lora_is_the_product_times_alpha_over_rank() -> None:
    up, down = random(12, 4), random(4, 8)
    expected = up.numpy() @ down.numpy()
    np.testing.assert_allclose(change(LINEAR, up=up, down=down), expected, **CLOSE)
    halved = change(LINEAR, up=up, down=down, alpha=torch.tensor(2.0))
    np.testing.assert_allclose(halved, expected / 2, **CLOSE)


def test_lora_of_a_convolution_is_two_convolutions() -> None:
    up, down, x = random(12, 4, 1, 1), random(4, 8, 3, 3), random(1, 8, 5, 5)
    got = conv2d(x, torch.tensor(change(CONV, up=up, down=down)))
    torch.testing.assert_close(got, conv2d(conv2d(x, down), up), **CLOSE)


def test_lora_with_a_middle_is_three_convolutions() -> None:
    up, mid, down, x = random(12, 4, 1, 1), random(4, 4, 3, 3), random(4, 8, 1, 1), random(1, 8, 5, 5)
    got = conv2d(x, torch.tensor(change(CONV, up=up, mid=mid, down=down)))
    torch.testing.assert_close(got, conv2d(conv2d(conv2d(x, down), mid), up), **CLOSE)


@pytest.mark.parametrize("four", [False, True], ids=["matrices", "convolutions"])
def test_a_1x1_convolution_takes_matrices_and_convolutions(four: bool) -> None:
    up, down, weight = random(12, 4), random(4, 8), random(12, 8, 1, 1)
    given = (up[..., None, None], down[..., None, None]) if four else (up, down)
    np.testing.assert_allclose(
        change(weight, up=given[0], down=given[1])[..., 0, 0], up.numpy() @ down.numpy(), **CLOSE
    )


def dora(weight: np.ndarray, low_rank: np.ndarray, magnitudes: np.ndarray, axis: int) -> np.ndarray:
    """m (W + dW) / ||W + dW|| - W, one row (axis 0) or column (axis 1) after the other."""
    merged = np.moveaxis(weight + low_rank, axis, 0)
    scaled = [size * one / np.sqrt((one**2).sum()) for size, one in zip(magnitudes.ravel(), merged, strict=True)]
    return np.moveaxis(np.stack(scaled), 0, axis) - weight


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
@pytest.mark.parametrize("weight", [LINEAR, CONV, random(8, 8)], ids=["linear", "conv", "square"])
def test_dora_scales_rows_or_columns_as_its_shape_says(weight: torch.Tensor, axis: int) -> None:
    up, down = random(weight.shape[0], 4), random(4, *weight.shape[1:])
    shape = [1] * weight.ndim
    shape[axis] = weight.shape[axis]
    magnitudes = random(*shape).abs() + 0.5
    low_rank = np.tensordot(up.numpy(), down.numpy(), 1) / 2
    got = change(weight, up=up, down=down, alpha=torch.tensor(2.0), dora_scale=magnitudes)
    np.testing.assert_allclose(got, dora(weight.numpy(), low_rank, magnitudes.numpy(), axis), **CLOSE)


def test_loha_is_an_elementwise_product() -> None:
    a1, b1, a2, b2 = random(12, 4), random(4, 72), random(12, 4), random(4, 72)
    got = change(CONV, hada_w1_a=a1, hada_w1_b=b1, hada_w2_a=a2, hada_w2_b=b2, alpha=torch.tensor(1.0))
    expected = (a1.numpy() @ b1.numpy()) * (a2.numpy() @ b2.numpy()) / 4
    np.testing.assert_allclose(got, expected.reshape(CONV.shape), **CLOSE)


def test_loha_with_middles_multiplies_two_cores() -> None:
    parts = [(random(4, 4, 3, 3), random(4, 12), random(4, 8)) for _ in range(2)]
    halves = [np.einsum("rskl,ro,si->oikl", *(one.numpy() for one in part)) for part in parts]
    (t1, a1, b1), (t2, a2, b2) = parts
    got = change(CONV, hada_t1=t1, hada_w1_a=a1, hada_w1_b=b1, hada_t2=t2, hada_w2_a=a2, hada_w2_b=b2)
    np.testing.assert_allclose(got, halves[0] * halves[1], **CLOSE)


def test_lokr_is_a_kronecker_product_whose_alpha_counts_with_a_rank_only() -> None:
    first, second = random(3, 2), random(4, 4)
    whole = change(LINEAR, lokr_w1=first, lokr_w2=second, alpha=torch.tensor(100.0))
    np.testing.assert_allclose(whole, np.kron(first.numpy(), second.numpy()), **CLOSE)
    a, b = random(4, 2), random(2, 4)
    split = change(LINEAR, lokr_w1=first, lokr_w2_a=a, lokr_w2_b=b, alpha=torch.tensor(1.0))
    np.testing.assert_allclose(split, np.kron(first.numpy(), a.numpy() @ b.numpy()) / 2, **CLOSE)


@pytest.mark.parametrize("form", ["whole", "split", "flat", "middle"])
def test_lokr_of_a_convolution_keeps_the_kernel_inside(form: str) -> None:
    first, second, tensors = random(3, 2), random(4, 4, 3, 3), {}
    if form == "whole":
        tensors = {"lokr_w2": second}
    elif form == "middle":
        core, a, b = random(2, 2, 3, 3), random(2, 4), random(2, 4)
        second = torch.einsum("rskl,ro,si->oikl", core, a, b)
        tensors = {"lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
    else:
        a, b = random(4, 2), random(2, 4, 3, 3)
        second = torch.tensordot(a, b, 1)
        tensors = {"lokr_w2_a": a, "lokr_w2_b": b if form == "split" else b.flatten(1)}
    expected = np.stack([np.kron(first.numpy(), second[..., y, x].numpy()) for y in range(3) for x in range(3)], -1)
    got = change(CONV, lokr_w1=first, **tensors)
    np.testing.assert_allclose(got, expected.reshape(CONV.shape), **CLOSE)


@pytest.mark.parametrize(("on_input", "axis"), [(0, 0), (1, 1)], ids=["outputs", "inputs"])
def test_ia3_scales_outputs_or_inputs(on_input: int, axis: int) -> None:
    factors = random(CONV.shape[axis])
    got = change(CONV, weight=factors, on_input=torch.tensor(on_input))
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    np.testing.assert_allclose(got, CONV.numpy() * factors.numpy().reshape(shape), **CLOSE)


def rotation(block: np.ndarray, shrink: float = 1.0) -> np.ndarray:
    skew, eye = (block - block.T) * shrink, np.eye(len(block))
    return np.linalg.solve((eye - skew).T, (eye + skew).T).T


@pytest.mark.parametrize("bound", [0.0, 0.01])
def test_oft_turns_blocks_of_outputs(bound: float) -> None:
    blocks, rescale = random(3, 4, 4), random(12, 1, 1, 1) + 1
    skews = np.stack([one - one.T for one in blocks.numpy()])
    shrink = min(1.0, bound * 12 / np.sqrt((skews**2).sum())) if bound else 1.0
    turn = np.zeros((12, 12))
    for at, block in enumerate(blocks.numpy().astype(np.float64)):
        turn[at * 4 : at * 4 + 4, at * 4 : at * 4 + 4] = rotation(block, shrink).T
    got = change(CONV, oft_blocks=blocks, alpha=torch.tensor(bound), rescale=rescale)
    turned = np.tensordot(turn, CONV.numpy(), 1) * rescale.numpy()
    np.testing.assert_allclose(got, turned - CONV.numpy(), **CLOSE)


def test_boft_turns_in_stages_with_rows_from_further_and_further() -> None:
    blocks, weight = random(2, 4, 4, 4), random(16, 8)
    turned = weight.numpy().astype(np.float64)
    for stage, reach in enumerate((2, 4)):
        rows = [
            group * 2 * reach + side * reach + place
            for group in range(16 // (2 * reach))
            for place in range(reach)
            for side in range(2)
        ]
        after = np.zeros_like(turned)
        for at in range(4):
            members = rows[at * 4 : at * 4 + 4]
            after[members] = rotation(blocks[stage, at].numpy().astype(np.float64)) @ turned[members]
        turned = after
    np.testing.assert_allclose(change(weight, oft_blocks=blocks), turned - weight.numpy(), **CLOSE)


def test_full_norm_and_glora() -> None:
    difference = random(12, 8)
    np.testing.assert_array_equal(change(LINEAR, diff=difference), difference.numpy())
    assert (change(random(12), w_norm=difference[:, 0]) == difference[:, 0].numpy()).all()
    a1, a2, b1, b2 = random(8, 3), random(3, 8), random(12, 3), random(3, 8)
    expected = LINEAR.numpy() @ a1.numpy() @ a2.numpy() + b1.numpy() @ b2.numpy()
    np.testing.assert_allclose(change(LINEAR, a1=a1, a2=a2, b1=b1, b2=b2), expected, **CLOSE)
    np.testing.assert_allclose(change(LINEAR, a1=a2, a2=a1, b1=b2, b2=b1), expected, **CLOSE)


class Two(torch.nn.Module):
    """A linear layer and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(8, 12)
        self.second = torch.nn.Conv2d(8, 12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x)


LAYERS = ["first", "second"]
CONFIGS: dict[str, peft.PeftConfig] = {
    "lora": peft.LoraConfig(r=4, lora_alpha=4, target_modules=LAYERS),
    "dora": peft.LoraConfig(r=4, lora_alpha=4, target_modules=LAYERS, use_dora=True),
    "loha": peft.LoHaConfig(r=4, alpha=4, target_modules=LAYERS),
    "loha with middles": peft.LoHaConfig(r=4, alpha=4, target_modules=LAYERS, use_effective_conv2d=True),
    "lokr": peft.LoKrConfig(r=2, alpha=2, target_modules=LAYERS),
    "lokr with a middle": peft.LoKrConfig(r=2, alpha=2, target_modules=LAYERS, use_effective_conv2d=True),
    "lokr split": peft.LoKrConfig(r=1, alpha=1, target_modules=LAYERS, decompose_both=True),
    "ia3": peft.IA3Config(target_modules=LAYERS, feedforward_modules=["second"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_file_of_peft_changes_as_peft_merges(name: str) -> None:
    torch.manual_seed(3)
    module = Two()
    before = {path: getattr(module, path).weight.detach().clone() for path in LAYERS}
    wrapped: Any = peft.get_peft_model(module, CONFIGS[name])  # type: ignore[arg-type]
    for parameter_name, parameter in wrapped.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(
                parameter, 1.0 if "magnitude" in parameter_name or "ia3" in parameter_name else 0, 0.3
            )
    state = {key: one.detach().clone() for key, one in peft.get_peft_model_state_dict(wrapped).items()}
    merged = wrapped.merge_and_unload()
    found = take_apart(state)
    assert not found.unknown
    assert set(found.modules) == {f"base_model.model.{path}" for path in LAYERS}
    for path in LAYERS:
        group = found.modules[f"base_model.model.{path}"]
        got = change(before[path], **{what: state[key] for what, key in group.items()})
        np.testing.assert_allclose(got, (getattr(merged, path).weight - before[path]).detach().numpy(), **CLOSE)


def test_every_kind_is_tried_above() -> None:
    assert set(kinds.names()) == {"LoRA", "LoHa", "LoKr", "IA3", "OFT", "full", "norm", "GLoRA"}
