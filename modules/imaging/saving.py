"""Pictures into files: numbered per folder as A1111 does, whole or not there, never one over another."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from modules.core.errors import UserError
from modules.core.files import write_atomic
from modules.core.flags import MAX_NAME
from modules.core.settings import Setting, Settings, define
from modules.imaging.metadata import EXIF_LIMIT, Papers, exif_bytes, png_texts
from modules.imaging.names import MAX_PART, MAX_WORDS, NameContext, cut_bytes, render_pattern

FORMATS = ("png", "jpg", "jpeg", "webp", "avif")
SIDE_LIMITS = {"jpg": 65_535, "jpeg": 65_535, "webp": 16_383, "avif": 65_535}  # pixels a side can have at most
NAME_BYTES = 255 - 14  # what file systems take, less the ending of the file that is renamed
IMAGES, FOLDERS, PATHS = "Saving images/grids", "Saving to a directory", "Paths for saving"
log = logging.getLogger(__name__)

SAMPLES_SAVE = define(Setting("samples_save", True, "Always save all generated pictures", section=IMAGES))
SAMPLES_FORMAT = define(Setting("samples_format", "png", "File format of pictures", section=IMAGES, choices=FORMATS))
SAMPLES_PATTERN = define(
    Setting(
        "samples_filename_pattern",
        "",
        "File name pattern",
        section=IMAGES,
        hint="Tags such as [seed], [date], [prompt_words]. Empty: [seed], and the prompt too when not in folders.",
    )
)
ADD_NUMBER = define(Setting("save_images_add_number", True, "Number in front of file names", section=IMAGES))
REPLACE_ACTION = define(
    Setting(
        "save_images_replace_action",
        "Replace",
        "When a file of that name exists",
        section=IMAGES,
        choices=("Replace", "Add number suffix"),
        hint="Only without the number in front.",
    )
)
GRID_SAVE = define(Setting("grid_save", True, "Always save all grids", section=IMAGES))
GRID_FORMAT = define(Setting("grid_format", "png", "File format of grids", section=IMAGES, choices=FORMATS))
GRID_EXTENDED = define(Setting("grid_extended_filename", False, "File name pattern for grids too", section=IMAGES))
GRID_IF_MULTIPLE = define(Setting("grid_only_if_multiple", True, "No grid of a single picture", section=IMAGES))
RETURN_GRID = define(Setting("return_grid", True, "Show the grid in the gallery", section=IMAGES))
PNG_INFO = define(Setting("enable_pnginfo", True, "Store the infotext in picture files", section=IMAGES))
SAVE_TXT = define(Setting("save_txt", False, "Text file with the infotext beside each picture", section=IMAGES))
JPEG_QUALITY = define(
    Setting("jpeg_quality", 80, "Quality of JPEG, WEBP and AVIF", section=IMAGES, minimum=1, maximum=100, step=1)
)
WEBP_LOSSLESS = define(Setting("webp_lossless", False, "Lossless WEBP", section=IMAGES))
COPY_LARGE = define(
    Setting(
        "export_for_4chan",
        True,
        "JPEG copy of large pictures",
        section=IMAGES,
        hint="Beside the picture, made smaller where a side is too long.",
    )
)
COPY_ABOVE_MB = define(
    Setting(
        "img_downscale_threshold", 4.0, "A file is large above (MB)", section=IMAGES, minimum=0, maximum=1000, step=0.5
    )
)
COPY_SIDE = define(
    Setting("target_side_length", 4000, "A side is too long above (pixels)", section=IMAGES, minimum=64, maximum=65_535)
)
SAVE_INIT = define(Setting("save_init_img", False, "Save the pictures that img2img starts from", section=IMAGES))
SAVE_SELECTED = define(
    Setting(
        "save_selected_only",
        True,
        "The Save button keeps the selected picture only",
        section=IMAGES,
        hint="Off: all pictures of the job.",
    )
)
SAVE_LOG = define(Setting("save_write_log_csv", True, "The Save button writes log.csv", section=IMAGES))
SAVE_BUTTON_TO_DIRS = define(
    Setting("use_save_to_dirs_for_ui", False, "The Save button uses folders too", section=FOLDERS)
)
SAVE_TO_DIRS = define(Setting("save_to_dirs", True, "Save pictures to a folder", section=FOLDERS))
GRID_TO_DIRS = define(Setting("grid_save_to_dirs", True, "Save grids to a folder", section=FOLDERS))
FOLDER_PATTERN = define(Setting("directories_filename_pattern", "[date]", "Folder name pattern", section=FOLDERS))
PROMPT_WORDS = define(
    Setting(
        "directories_max_prompt_words",
        MAX_WORDS,
        "Most words of [prompt_words]",
        section=FOLDERS,
        minimum=1,
        maximum=100,
        step=1,
    )
)
NAME_LENGTH = define(
    Setting(
        "filenames_max_length",
        MAX_PART,
        "Most characters of a file or folder name",
        section=IMAGES,
        minimum=1,
        maximum=MAX_NAME,
        step=1,
        hint="The number in front is not counted.",
    )
)
UNIX_NAMES = define(
    Setting(
        "unix_filenames_sanitization",
        False,
        "Names need to suit Unix only",
        section=IMAGES,
        hint='Keeps characters such as : ? * and " that Windows refuses.',
    )
)


def _outdir(key: str, default: str, label: str, hint: str = "") -> Setting[str]:
    return define(Setting(key, default, label, section=PATHS, scope="admin", hint=hint))


OUTDIR_SAMPLES = _outdir("outdir_samples", "", "Folder for pictures", "Empty: the folder of each tab, below.")
OUTDIR_TXT2IMG = _outdir("outdir_txt2img_samples", "outputs/txt2img-images", "Folder for txt2img pictures")
OUTDIR_IMG2IMG = _outdir("outdir_img2img_samples", "outputs/img2img-images", "Folder for img2img pictures")
OUTDIR_INIT = _outdir("outdir_init_images", "outputs/init-images", "Folder for the pictures that img2img starts from")
OUTDIR_SAVE = _outdir("outdir_save", "log/images", "Folder of the Save button")
OUTDIR_GRIDS = _outdir("outdir_grids", "", "Folder for grids", "Empty: the folder of each tab, below.")
OUTDIR_TXT2IMG_GRIDS = _outdir("outdir_txt2img_grids", "outputs/txt2img-grids", "Folder for txt2img grids")
OUTDIR_IMG2IMG_GRIDS = _outdir("outdir_img2img_grids", "outputs/img2img-grids", "Folder for img2img grids")
OUTDIRS = {
    "txt2img": (OUTDIR_TXT2IMG, OUTDIR_TXT2IMG_GRIDS),
    "img2img": (OUTDIR_IMG2IMG, OUTDIR_IMG2IMG_GRIDS),
}  # tab: for pictures, for grids


def output_folder(settings: Settings, data: Path, *, grid: bool = False, tab: str = "txt2img") -> Path:
    """The folder that the settings name, below `data` unless it is a whole path. Not made yet."""
    common, own = OUTDIR_GRIDS if grid else OUTDIR_SAMPLES, OUTDIRS[tab][grid]
    return data / Path(settings[common].strip() or settings[own].strip() or own.default).expanduser()


@dataclass(frozen=True)
class LargeCopy:
    """When a JPEG copy is made: the file has more bytes than `above_bytes`, or a side more pixels than `side`."""

    above_bytes: int
    side: int


@dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """How to write one kind of picture. Empty `folder_pattern`: no folders; empty `pattern`: the number alone."""

    format: str = "png"
    pattern: str = "[seed]"
    folder_pattern: str = ""
    max_words: int = MAX_WORDS
    max_part: int = MAX_PART
    unix_names: bool = False
    add_number: bool = True
    on_existing: str = "Replace"
    papers: bool = True
    save_txt: bool = False
    quality: int = 80
    lossless: bool = False
    copy_large: LargeCopy | None = None

    @staticmethod
    def from_settings(settings: Settings, grid: bool = False) -> SaveOptions:
        to_dirs = settings[GRID_TO_DIRS if grid else SAVE_TO_DIRS]
        pattern = settings[SAMPLES_PATTERN] or ("[seed]" if to_dirs else "[seed]-[prompt_spaces]")
        return SaveOptions(
            format=settings[GRID_FORMAT if grid else SAMPLES_FORMAT],
            pattern="" if grid and not settings[GRID_EXTENDED] else pattern,
            folder_pattern=settings[FOLDER_PATTERN] if to_dirs else "",
            max_words=settings[PROMPT_WORDS],
            max_part=settings[NAME_LENGTH],
            unix_names=settings[UNIX_NAMES] and os.name != "nt",
            add_number=settings[ADD_NUMBER],
            on_existing=settings[REPLACE_ACTION],
            papers=settings[PNG_INFO],
            save_txt=settings[SAVE_TXT],
            quality=settings[JPEG_QUALITY],
            lossless=settings[WEBP_LOSSLESS],
            copy_large=LargeCopy(int(settings[COPY_ABOVE_MB] * 1024 * 1024), settings[COPY_SIDE])
            if settings[COPY_LARGE]
            else None,
        )


def save_picture(
    image: Image.Image,
    folder: Path,
    *,
    name: NameContext,
    papers: Papers,
    options: SaveOptions,
    suffix: str = "",
    grid: str = "",
) -> Path:
    """Save as <number>-<pattern><suffix>.<format> (grids: <grid>-<number>) below `folder`; the path that was taken.

    PNG is taken where the format cannot hold the picture or its infotext. UserError when the disk refuses.
    """
    kept = papers if options.papers else Papers()
    kind = options.format if _fits(image, options.format, kept) else "png"
    if kind != options.format:
        log.warning("%s cannot hold this picture; it is saved as PNG.", options.format)
    name = dataclasses.replace(
        name,
        max_words=options.max_words,
        max_part=options.max_part,
        unix=options.unix_names,
        image_bytes=name.image_bytes or image.tobytes,
    )
    with refusals(folder):
        target = folder / render_pattern(options.folder_pattern, name)
        target.mkdir(parents=True, exist_ok=True)
        decoration = render_pattern(options.pattern, name).replace("/", "_")
        ending = f"{suffix}.{kind}"
        data = encode_image(image, kind, kept, quality=options.quality, lossless=options.lossless)
        if kind in ("jpg", "jpeg") or not _large(image, len(data), options.copy_large):
            options = dataclasses.replace(options, copy_large=None)
        with _reserve(target, grid, decoration, ending, options) as path:
            write_atomic(path, data)
            if options.copy_large:
                _copy_large(image, path, kept, options)
            if options.save_txt and papers.infotext:
                write_atomic(path.with_suffix(".txt"), papers.infotext.encode("utf-8", "replace") + b"\n")
    return path


@contextlib.contextmanager
def refusals(folder: Path) -> Iterator[None]:
    """A disk that refuses becomes a UserError that names the folder alone."""
    try:
        yield
    except OSError as error:
        log.warning("Nothing could be saved in %s: %s", folder, error)  # whole here: the message may go further
        raise UserError(
            f"The picture could not be saved in {folder.name}: {error.strerror or type(error).__name__}.",
            hint="Check that the disk has room and that the folder can be written to.",
        ) from error


def _large(image: Image.Image, size_bytes: int, limits: LargeCopy | None) -> bool:
    return limits is not None and (max(image.size) > limits.side or size_bytes > limits.above_bytes)


def _copy_large(image: Image.Image, path: Path, papers: Papers, options: SaveOptions) -> None:
    """A JPEG beside a picture that many sites would refuse, called export_for_4chan elsewhere."""
    assert options.copy_large is not None
    side, longest = options.copy_large.side, max(image.size)
    if longest > side:
        smaller = (max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest)))
        image = image.resize(smaller, Image.Resampling.LANCZOS)
    write_atomic(path.with_suffix(".jpg"), encode_image(image, "jpg", papers, quality=options.quality))


def encode_image(
    image: Image.Image, format: str, papers: Papers, *, quality: int = 80, lossless: bool = False
) -> bytes:
    """The picture as a file of `format` with its papers inside. Alpha is dropped except in PNG."""
    kind = format.lower()
    if kind not in FORMATS:
        raise UserError(f"{format!r} is not a format for pictures.", hint=f"Use {', '.join(FORMATS)}.")
    if max(image.size) > SIDE_LIMITS.get(kind, max(image.size)):
        raise UserError(f"{kind} cannot hold {image.width} x {image.height} pixels.", hint="Use png.")
    data = io.BytesIO()
    if kind == "png":
        image.save(data, "PNG", pnginfo=png_texts(papers))
        return data.getvalue()
    extra: dict[str, Any] = {"quality": quality}
    exif = exif_bytes(papers, None if kind in ("webp", "avif") else EXIF_LIMIT) if _any(papers) else None
    if exif is not None:
        extra["exif"] = exif
    elif _any(papers):
        log.warning("The infotext does not fit into a %s file and was left out.", kind)
    if kind == "webp":
        extra["lossless"] = lossless
    picture = image if image.mode in ("RGB", "L") else image.convert("RGB")
    picture.save(data, {"jpg": "JPEG"}.get(kind, kind.upper()), **extra)
    return data.getvalue()


_SAMPLE_NUMBER = re.compile(r"([0-9]{5,7})[-.]")


def _any(papers: Papers) -> bool:
    return bool(papers.infotext or papers.request)


def _fits(image: Image.Image, kind: str, papers: Papers) -> bool:
    if max(image.size) > SIDE_LIMITS.get(kind, max(image.size)):
        return False
    return kind not in ("jpg", "jpeg") or exif_bytes(Papers(papers.infotext), EXIF_LIMIT) is not None


@contextlib.contextmanager
def _reserve(folder: Path, base: str, decoration: str, ending: str, options: SaveOptions) -> Iterator[Path]:
    """A path in `folder` that nobody else writes to meanwhile.

    A hidden marker, made only if it is not there, holds a number against other threads and processes. The folder is
    read again under the marker: whoever held the number before may have finished in between. After a crash the marker
    stays and its number is skipped.
    """
    room = NAME_BYTES - len(ending.encode("utf-8")) - 16
    if os.name == "nt":
        room = min(room, max(40, 230 - len(str(folder))))  # without long paths Windows takes 259 characters in all
    decoration = cut_bytes(decoration, room)
    numbered = options.add_number or not decoration or bool(base)
    if not numbered and options.on_existing == "Replace":
        yield folder / f"{decoration}{ending}"
        return
    number = max(_numbers(folder, base), default=-1) + 1 if numbered else 0
    while True:
        if numbered:
            stem = f"{base}-{number:04}" if base else f"{number:05}"
            marker, path = folder / f".{stem}.saving", folder / f"{'-'.join(filter(None, (stem, decoration)))}{ending}"
        else:
            stem = f"{decoration}-{number}" if number else decoration
            marker, path = folder / f".{stem}.saving", folder / f"{stem}{ending}"
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            number += 1
            continue
        try:
            if number not in _numbers(folder, base) if numbered else not _taken(path, options):
                yield path
                return
        finally:
            marker.unlink(missing_ok=True)
        number += 1


def _taken(path: Path, options: SaveOptions) -> bool:
    """Whether the picture, its JPEG copy or its text file would be written over another."""
    beside = [".jpg"] * (options.copy_large is not None) + [".txt"] * options.save_txt
    return path.exists() or any(path.with_suffix(one).exists() for one in beside)


def _numbers(folder: Path, base: str) -> set[int]:
    shape = re.compile(rf"{re.escape(base)}-([0-9]{{4,7}})[-.]") if base else _SAMPLE_NUMBER
    with os.scandir(folder) as entries:
        found = ((shape.match(entry.name), entry) for entry in entries)
        return {int(one[1]) for one, entry in found if one is not None and entry.is_file()}
