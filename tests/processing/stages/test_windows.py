"""The direct network is the oracle where windows must not matter; closed forms are it elsewhere."""

import dataclasses
import itertools
from types import SimpleNamespace

import pytest
import torch

from modules.core.errors import UserError
from modules.processing.passes import windows_for
from modules.processing.requests import After, Generate, Prompt, Region, Sampling, Seed, Shape, Windows
from modules.processing.stages.guidance import PictureConditions
from modules.processing.stages.network import Network
from modules.processing.stages.windows import WindowedNetwork, region_shares, window_starts, window_weights

EMPTY = torch.zeros(1, 1, 1)


class Told(torch.nn.Module):
    """A network whose eps makes x0 known: x0 = x - eps sigma. Notes what it was given."""

    def __init__(self, answer):
        super().__init__()
        self.anchor = torch.nn.Conv2d(1, 1, 1)
        self.answer = answer
        self.seen = []
        self.config = {"block_out_channels": (8, 8, 8)}

    def forward(self, x, time, **told):
        self.seen.append((x, told))
        return (self.answer(x),)


def network(answer, **windows):
    unet = Told(answer)
    model = SimpleNamespace(unet=unet, prediction="epsilon", vae_factor=8)
    table = SimpleNamespace(sigma_to_t=lambda sigma: sigma)
    return WindowedNetwork(model, table, Windows(**windows)), unet


def x0_of_places(x):
    """What every place of the whole picture says: windows must bring it to its place."""
    return x * 0.5


@pytest.mark.parametrize("kind", ["mixture", "multi"])
@pytest.mark.parametrize("shape", [(40, 56), (16, 64), (33, 17)])
def test_weights_sum_to_one_everywhere(kind, shape):
    """An answer that depends on its place alone comes back unchanged, however the windows lie."""
    windowed, unet = network(x0_of_places, size=128, overlap=64, weights=kind, batch=3)
    plain = Network(windowed.model, windowed.table)
    x = torch.randn(2, 4, *shape, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([2.0, 5.0])
    merged = windowed(x, sigma, EMPTY.expand(2, 1, 1), None)
    torch.testing.assert_close(merged, plain(x, sigma, EMPTY.expand(2, 1, 1), None), rtol=1e-5, atol=1e-5)
    assert all(seen.shape[2:] == (16, 16) and len(seen) <= 6 for seen, _ in unet.seen[:-1])


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shift", [0.0, 0.618, 0.99])
@pytest.mark.parametrize("grid", [1, 4, 8])
def test_windows_cover_every_place_and_overlap_enough(wrap, shift, grid):
    for length in range(17, 90):
        for overlap in (0, 4, 8, 15):
            starts = window_starts(length, 16, overlap, wrap=wrap, shift=shift, grid=grid)
            assert all(start % grid == 0 for start in starts[: None if wrap else -1]) or grid > 16 - overlap
            seen = {(start + place) % length for start in starts for place in range(16)}
            assert seen == set(range(length))
            assert all(b - a <= 16 - overlap for a, b in itertools.pairwise(starts))
            if not wrap:
                assert starts[0] == 0
                assert starts[-1] == length - 16


def test_the_weights_are_symmetric_and_highest_in_the_middle():
    weights = window_weights((15, 31), "mixture")
    assert torch.equal(weights, weights.flip(0, 1))
    assert float(weights.max()) == float(weights[7, 15])
    assert float(weights.min()) > 0
    assert torch.equal(window_weights((2, 3), "multi"), torch.ones(2, 3))


def test_extra_channels_and_size_conditions_follow_the_window():
    windowed, unet = network(lambda x: x[:, :4] * 0, size=128, overlap=64, batch=1)
    extra = torch.arange(32.0)[None, None, :, None] * 100 + torch.arange(16.0)
    ids = torch.tensor([[256.0, 128, 3, 5, 256, 128]])
    added = {"text_embeds": torch.zeros(1, 2), "time_ids": ids}
    windowed(torch.zeros(1, 4, 32, 16), torch.ones(1), EMPTY, added, extra)
    assert [float(seen[0, 4, 0, 0]) for seen, _ in unet.seen] == [0, 800, 1600]
    told = [one["added_cond_kwargs"]["time_ids"].tolist()[0] for _, one in unet.seen]
    assert told == [[256, 128, top, 5, 128, 128] for top in (3, 67, 131)]


def test_regions_share_their_place_with_the_prompt():
    regions = (
        Region(left=0, top=0, right=0.5, bottom=1, prompt="a", weight=3.0),
        Region(left=0.25, top=0, right=1, bottom=0.5, prompt="b"),
    )
    shares = region_shares(regions, (4, 8))
    assert shares[0, 3].tolist() == [0.75] * 4 + [0.0] * 4
    assert shares[:, 0, 2].tolist() == [pytest.approx(0.6), pytest.approx(0.2)]
    told = PictureConditions(parts=((1.0, []), (0.5, [])), negative=[], regions=tuple((one, []) for one in shares))
    outputs = [torch.full((1, 4, 8), value) for value in (1.0, 1.0, 1.0, 1.0)]
    total = sum(weight * one for weight, one in told.weigh(outputs))
    torch.testing.assert_close(total, torch.full((1, 4, 8), 1.5))


def request(width, height, **shape):
    return Generate(
        prompt=Prompt(positive="a cat", negative="dog"),
        shape=Shape(width=width, height=height, **shape),
        seed=Seed(seed=3),
        sampling=Sampling(sampler="Euler a", steps=3),
        after=After(save=False, grid=False),
    )


def pixels(engine, wish):
    from PIL import Image

    with Image.open(engine.run(wish).pictures[0].path) as image:
        return image.convert("RGB").tobytes()


def test_a_window_as_large_as_the_picture_changes_nothing(engine):
    direct = pixels(engine, request(128, 64))
    assert pixels(engine, request(128, 64, method="windows", windows=Windows(size=128))) == direct
    assert pixels(engine, request(128, 64, method="windows", windows=Windows(size=64))) != direct


def test_a_region_changes_the_picture_there_alone_at_the_first_step(engine):
    """With windows of half the picture and no overlap, the other half cannot know of the region."""
    region = Region(left=0, top=0, right=0.5, bottom=1, prompt="a house")
    asked = request(256, 128, method="windows", windows=Windows(size=128, overlap=64))
    asked = dataclasses.replace(asked, sampling=Sampling(sampler="Euler", steps=1))
    with_region = dataclasses.replace(
        asked,
        shape=dataclasses.replace(asked.shape, windows=dataclasses.replace(asked.shape.windows, regions=(region,))),
    )
    assert pixels(engine, asked) != pixels(engine, with_region)


@pytest.mark.parametrize("change", [{"left": 0.6, "right": 0.5}, {"bottom": 1.2}, {"weight": -1.0}])
def test_a_region_outside_of_the_picture_is_refused(change):
    told = {"left": 0.0, "top": 0.0, "right": 0.5, "bottom": 1.0, "prompt": "x", **change}
    with pytest.raises(UserError, match="Region 1"):
        windows_for(Windows(regions=(Region(**told),)), (512, 512), 8)


def test_windows_lie_elsewhere_at_every_low_noise_level():
    windowed, _ = network(x0_of_places, size=128, overlap=64)
    shifts = [windowed._shift(sigma) for sigma in (9.0, 9.0, 1.0, 0.29, 0.2, 0.2, 0.1)]
    assert shifts[0] == shifts[1] == shifts[2] == 0
    assert shifts[4] == shifts[5]
    assert len({round(one, 3) for one in shifts}) == 4
    for shift in shifts:
        starts = window_starts(100, 16, 8, shift=shift)
        assert {0, 84} <= set(starts)
        assert all(b - a <= 8 for a, b in itertools.pairwise(starts))


def test_seamless_pictures_have_windows_around_their_edges():
    """A picture rolled by a whole step of the windows comes out rolled: no place is an edge."""
    windowed, unet = network(lambda x: torch.nn.functional.avg_pool2d(x, 3, 1, 1), size=128, overlap=64)
    unet.anchor.__dict__["_conv_forward"] = SimpleNamespace(args=(None, (False, True)))
    x = torch.randn(1, 4, 16, 64, generator=torch.Generator().manual_seed(0))
    merged = windowed(x, torch.ones(1), EMPTY, None)
    rolled = windowed(torch.roll(x, 24, 3), torch.ones(1), EMPTY, None)
    torch.testing.assert_close(rolled, torch.roll(merged, 24, 3))
