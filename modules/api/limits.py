"""How much one API call may ask for: limits of the machine's owner, the same for every route that makes pictures."""

from __future__ import annotations

from pathlib import PurePath

from PIL import Image

from modules.core.errors import UserError
from modules.core.settings import Setting, Settings, define
from modules.imaging.inputs import PictureStore
from modules.processing.extras import ExtrasRequest
from modules.processing.extras.request import Folder
from modules.processing.extras.size import result_size
from modules.processing.passes import hires_sizes
from modules.processing.requests import Generate, InitImage, MaskedImage, Noise

MAX_PIXELS = define(
    Setting(
        "api_max_pixels",
        4_194_304,
        "Largest picture by API (pixels)",
        section="API",
        scope="admin",
        minimum=4096,
        maximum=268_435_456,
    )
)
MAX_PICTURES = define(
    Setting(
        "api_max_pictures",
        100,
        "Most pictures of one API call",
        section="API",
        scope="admin",
        minimum=1,
        maximum=10_000,
    )
)
MAX_INPUT_PIXELS = define(
    Setting(
        "api_max_input_pixels",
        64_000_000,
        "Largest picture sent to the API (pixels)",
        section="API",
        scope="admin",
        minimum=4096,
        maximum=64_000_000,
    )
)


def check_limits(request: Generate, settings: Settings) -> None:
    """UserError when the request is larger than the owner allows; what no one can make is for `resolve` to refuse."""
    shape = request.shape
    _check_size(shape.width, shape.height, settings)
    if request.after.hires and shape.width > 0 and shape.height > 0:
        for width, height in hires_sizes(shape.width, shape.height, request.after.hires):
            _check_size(width, height, settings, prefix="hires_")
    _check_count(_source_count(request), "init_images", settings)
    folder = PurePath(request.after.folder)
    if folder.is_absolute() or ".." in folder.parts or ":" in request.after.folder:
        raise UserError(
            f"after.folder is {request.after.folder[:80]!r}, but a folder below Easel's own was expected.",
            hint='Use a name such as "outputs/series".',
            field="after.folder",
        )
    pictures = shape.batch_size * shape.batch_count
    if shape.batch_size > 0 and shape.batch_count > 0 and pictures > settings[MAX_PICTURES]:
        raise UserError(
            f"batch_size {shape.batch_size} x batch_count {shape.batch_count} is {pictures} pictures, "
            f"but at most {settings[MAX_PICTURES]} are allowed.",
            hint=f"Send several requests; the owner can raise {MAX_PICTURES.key}.",
            field="batch_size" if shape.batch_size > shape.batch_count else "batch_count",
        )


def check_extras_limits(request: ExtrasRequest, inputs: PictureStore, settings: Settings) -> None:
    """UserError when a result would be larger, or pictures are more, than the owner allows; folders are the owner's."""
    if isinstance(request.source, Folder):
        return
    pictures = request.source.pictures
    _check_count(len(pictures), "source.pictures", settings)
    for one in pictures:
        with Image.open(inputs.path(one.picture)) as picture:
            width, height = result_size(*picture.size, request.size)
        if request.upscale.first.casefold() != "none" and width * height > settings[MAX_PIXELS]:
            raise UserError(
                f"{width}x{height} is {width * height} pixels, but at most {settings[MAX_PIXELS]} are allowed.",
                hint=f"Scale by less; the owner can raise {MAX_PIXELS.key}.",
                field="size.to" if request.size.to else "size.by",
            )


def _check_size(width: int, height: int, settings: Settings, prefix: str = "") -> None:
    if width > 0 and height > 0 and width * height > settings[MAX_PIXELS]:
        raise UserError(
            f"{width}x{height} is {width * height} pixels, but at most {settings[MAX_PIXELS]} are allowed.",
            hint=f"Choose a smaller size; the owner can raise {MAX_PIXELS.key}.",
            field=prefix + ("width" if width >= height else "height"),
        )


def _check_count(count: int, field: str, settings: Settings) -> None:
    if count > settings[MAX_PICTURES]:
        raise UserError(
            f"{count} pictures came, but at most {settings[MAX_PICTURES]} are allowed.",
            hint=f"Send several requests; the owner can raise {MAX_PICTURES.key}.",
            field=field,
        )


def _source_count(request: Generate) -> int:
    match request.source:
        case Noise():
            return 0
        case InitImage(images=images) | MaskedImage(init=InitImage(images=images)):
            return len(images)
