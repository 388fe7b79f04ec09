import numpy as np
import pytest
from PIL import Image

from modules.processing import options
from modules.processing.stages.odd_sizes import canvas_size, pad_picture, uncover

METHODS = options.ODD_SIZE_METHOD.options()
RESIDUES = [(64 + a, 72 + b) for a in range(8) for b in range(8)]


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A smooth picture: what a resize there and back may lose is small."""
    x, y = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 2, height))
    value = 127 + 60 * np.sin(x + y) + 60 * np.cos(x - 2 * y)
    return Image.fromarray(value.astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("how", METHODS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_every_size_comes_back_exactly(how, mode):
    for size in RESIDUES:
        canvas = canvas_size(*size, 8)
        assert all(canvas[k] % 8 == 0 and 0 <= canvas[k] - size[k] < 8 for k in (0, 1))
        before = picture(*size, mode)
        padded, box = pad_picture(before, canvas, how)
        assert padded.size == canvas
        assert padded.mode == mode
        after = uncover(padded, size, how)
        assert after.size == size
        difference = np.abs(np.asarray(after, int) - np.asarray(before, int)).max()
        assert difference <= (3 if how == "resize" else 0), (size, difference)
        if how != "resize":
            assert padded.crop(box).tobytes() == before.tobytes()


def test_a_fitting_picture_is_left_alone():
    image = picture(64, 72)
    for how in METHODS:
        padded, box = pad_picture(image, (64, 72), how)
        assert padded.tobytes() == image.tobytes()
        assert box == (0, 0, 64, 72)


def test_the_border_is_what_was_chosen():
    image = picture(65, 64)
    inside = np.asarray(image)
    row = {how: np.asarray(pad_picture(image, (72, 64), how)[0])[0] for how in METHODS}  # 3 pixels left, 4 right
    assert (row["reflect"][:3] == inside[0, 3:0:-1]).all()
    assert (row["replicate"][:3] == inside[0, 0]).all()
    assert (row["constant"][:3] == 127).all()
    assert (np.asarray(pad_picture(image.convert("L"), (72, 64), "constant")[0])[0, :3] == 0).all()


def test_resizing_keeps_the_aspect():
    for size in RESIDUES:
        _, (left, top, right, bottom) = pad_picture(picture(*size), canvas_size(*size, 8), "resize")
        assert abs((right - left) / size[0] - (bottom - top) / size[1]) <= 0.5 / min(size) * 1.5, size
