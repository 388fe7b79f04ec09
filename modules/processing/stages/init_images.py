"""The pictures that img2img starts from, kept in a folder beside the results, as A1111 keeps them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from modules.core.files import write_atomic
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.imaging.saving import OUTDIR_INIT, SAVE_INIT
from modules.processing.requests import Generate, InitImage, MaskedImage, Noise


def save_init_images(request: Generate, inputs: PictureStore, paths: Paths, settings: Settings) -> tuple[str, ...]:
    """Save each under the MD5 of its pixels, and give those; none when they are not to be kept."""
    match request.source:
        case Noise():
            return ()
        case InitImage(images=images) | MaskedImage(init=InitImage(images=images)):
            pass
    if not settings[SAVE_INIT] or not request.after.save:
        return ()
    folder = paths.data / Path(settings[OUTDIR_INIT].strip() or OUTDIR_INIT.default).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    hashes: list[str] = []
    for reference in images:
        image = inputs.open(reference)
        digest = hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest()
        path = folder / f"{digest}.png"
        if not path.exists():
            write_atomic(path, inputs.path(reference).read_bytes())
        hashes.append(digest)
    return tuple(hashes)
