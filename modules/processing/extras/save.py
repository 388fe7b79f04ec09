"""Results of Extras as files: numbered, or under the name of the picture they were made from; captions beside them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from modules.core.files import write_atomic
from modules.core.paths import Paths
from modules.core.settings import Setting, Settings, define
from modules.imaging import saving
from modules.imaging.infotext import build_infotext, parse_infotext
from modules.imaging.metadata import Papers, clean_text
from modules.imaging.names import NameContext, safe_part
from modules.processing.extras.operation import Piece
from modules.processing.extras.request import ExtrasRequest, Folder, place
from modules.processing.progress import Picture

OUTDIR_EXTRAS = define(
    Setting(
        "outdir_extras_samples",
        "outputs/extras-images",
        "Folder for Extras pictures",
        section=saving.PATHS,
        scope="admin",
    )
)
ORIGINAL_NAMES = define(
    Setting(
        "use_original_name_batch",
        True,
        "Results of batches are named as their pictures",
        section="Extras",
        hint="Off: they are numbered.",
    )
)
EXISTING_CAPTIONS = define(
    Setting(
        "postprocessing_existing_caption_action",
        "Ignore",
        "When a picture has a caption already",
        section="Extras",
        choices=("Ignore", "Keep", "Prepend", "Append"),
        hint="Ignore writes the new one, Keep the old; Prepend puts the old one first, Append last.",
    )
)
_PARAMETERS, _REQUEST, _EXTRAS = "parameters", "easel", "extras"  # text items of a PNG


@dataclass(kw_only=True)
class Saver:
    """Writes the results of one request. `batch`: of several pictures."""

    request: ExtrasRequest
    settings: Settings
    paths: Paths
    batch: bool
    _used: set[str] = field(default_factory=set)

    def save(self, piece: Piece) -> Picture:
        """The picture with its original papers and an "extras" text, and its caption; UserError from a full disk."""
        options = dataclasses.replace(
            saving.SaveOptions.from_settings(self.settings), folder_pattern="", pattern="", save_txt=False
        )
        folder, stem = self._folder(), safe_part("-".join((Path(piece.name).stem, *piece.tags)))
        if self.batch and self.request.save and stem.strip("-") and self.settings[ORIGINAL_NAMES]:
            fresh = stem.casefold() not in self._used and folder != self._input_folder()
            replaces = options.on_existing if fresh else "Add number suffix"  # never over a picture of this very batch
            options = dataclasses.replace(options, pattern="[basename]", add_number=False, on_existing=replaces)
            self._used.add(stem.casefold())
        elif not self.request.save:
            options = dataclasses.replace(options, copy_large=None)
        name = NameContext(basename=stem, width=piece.image.width, height=piece.image.height)
        papers = papers_of(piece, png=options.format == "png")
        path = saving.save_picture(piece.image, folder, name=name, papers=papers, options=options)
        if piece.caption:
            with saving.refusals(folder):
                self._caption(piece, path.with_suffix(".txt"))
        infotext = piece.texts.get(_PARAMETERS, "")
        seed = parse_infotext(infotext).get("Seed", "")
        return Picture(
            path=str(path),
            infotext=infotext,
            seed=int(seed) if seed.isdecimal() else -1,
            variation_seed=-1,
            width=piece.image.width,
            height=piece.image.height,
            saved=self.request.save,
        )

    def _folder(self) -> Path:
        if not self.request.save:
            return self.paths.results
        source, settings = self.request.source, self.settings
        own = source.output.strip() if isinstance(source, Folder) else ""
        common = settings[saving.OUTDIR_SAMPLES].strip() or settings[OUTDIR_EXTRAS].strip() or OUTDIR_EXTRAS.default
        return place(self.paths, own or common, "source.output")

    def _input_folder(self) -> Path | None:
        source = self.request.source
        return place(self.paths, source.folder, "source.folder") if isinstance(source, Folder) else None

    def _caption(self, piece: Piece, path: Path) -> None:
        """Beside the result; what was there, or beside the picture in its folder, is treated as the setting says."""
        before = path
        folder = self._input_folder()
        if not path.exists() and folder is not None:
            before = (folder / piece.name).with_suffix(".txt")
        old = before.read_text("utf-8", "replace").strip() if before.is_file() else ""
        action = self.settings[EXISTING_CAPTIONS] if old else "Ignore"
        parts = {"Keep": [old], "Prepend": [old, piece.caption], "Append": [piece.caption, old]}
        text = " ".join(parts.get(action, [piece.caption]))
        write_atomic(path, clean_text(text).encode("utf-8") + b"\n")


def extras_text(piece: Piece) -> str:
    """What was done, as "Postprocess upscale by: 4, Postprocess upscaler: Lanczos"."""
    return build_infotext("", "", piece.fields)


def papers_of(piece: Piece, *, png: bool) -> Papers:
    """The original's own texts, with what was done; formats that hold one text keep the original's parameters."""
    done, original = extras_text(piece), piece.texts.get(_PARAMETERS, "")
    rest = {name: text for name, text in piece.texts.items() if name not in (_PARAMETERS, _REQUEST, _EXTRAS)}
    if done:
        rest[_EXTRAS] = done
    return Papers(original or ("" if png else done), piece.texts.get(_REQUEST), rest)
