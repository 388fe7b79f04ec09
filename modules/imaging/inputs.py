"""Pictures that requests start from, kept by their content: a job in the queue still finds its own after a crash."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from modules.core.errors import NotFoundError, UserError
from modules.core.files import write_atomic
from modules.core.settings import Setting, define
from modules.imaging.metadata import Papers, open_image, png_texts, read_metadata

PREFIX = "sha256:"
REFERENCE = re.compile(rf"{PREFIX}[0-9a-f]{{64}}")
LIMIT_MB = define(
    Setting(
        "input_pictures_mb",
        2048,
        "Space for pictures that were worked on (MB)",
        section="System",
        minimum=64,
        maximum=1_000_000,
        hint="The longest unused ones are deleted at the next start; those of waiting jobs are kept.",
    )
)


def upright(image: Image.Image) -> Image.Image:
    """The picture as its EXIF says it stands; RGB, RGBA or L."""
    turned = ImageOps.exif_transpose(image)
    mode = "RGBA" if turned.has_transparency_data else ("L" if turned.mode in ("1", "L") else "RGB")
    return turned.convert(mode)


class PictureStore:
    """References are "sha256:" and the hash of the PNG file. Any thread may call; the same picture is kept once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, image: Image.Image) -> str:
        """Keep a picture, upright as its EXIF says, and give its reference. Transparency and all texts are kept."""
        infotext, texts = read_metadata(image)
        rest = {name: text for name, text in texts.items() if name != "easel"}
        buffer = io.BytesIO()
        papers = png_texts(Papers(infotext or "", texts.get("easel"), rest))
        upright(image).save(buffer, "PNG", compress_level=1, pnginfo=papers)
        data = buffer.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if path.is_file():
            os.utime(path)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        return PREFIX + digest

    def open(self, reference: str) -> Image.Image:
        """RGB, RGBA or L. NotFoundError when it was deleted meanwhile, UserError when it is no reference."""
        path = self.path(reference)
        os.utime(path)
        return open_image(path)

    def path(self, reference: str) -> Path:
        """The PNG file behind a reference."""
        if not REFERENCE.fullmatch(reference):
            raise UserError(
                f"{reference[:80]!r} is no reference to a picture.", hint="Send the picture itself.", field="image"
            )
        path = self._path(reference.removeprefix(PREFIX))
        if not path.is_file():
            raise NotFoundError("The picture that this job works on is gone.", hint="Choose it again.")
        return path

    def prune(self, limit_bytes: int, keep: frozenset[str] = frozenset()) -> None:
        """Delete the longest unused pictures until the rest takes at most `limit_bytes`; never those in `keep`."""
        kept = {self._path(one.removeprefix(PREFIX)) for one in keep}
        found = sorted(self._files(), key=lambda one: one[1].st_mtime, reverse=True)
        total = 0
        for path, status in found:
            total += status.st_size
            if total > limit_bytes and path not in kept:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*.png") if self.folder.is_dir() else ():
            yield path, path.stat()

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.png"
