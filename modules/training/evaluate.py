"""`python -m modules.training.evaluate [MODEL]`: measure a finished model folder against the emoji it learned from.

About 640 pictures are painted, by the engine, as users get them. One that was stopped goes on where it was.
"""

# diffusers annotates its models too narrowly:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import argparse
import dataclasses
import logging
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from modules.core.errors import EaselError
from modules.core.files import write_atomic
from modules.core.paths import ROOT
from modules.processing.memory import device_name, select_device
from modules.processing.requests import Sampling
from modules.training import measures
from modules.training.datasets import fluent_emoji
from modules.training.datasets.fluent_emoji import PictureSet
from modules.training.likeness import Likeness
from modules.training.painter import EnginePainter, KeptPainter, Painter, Wish, weights_hash
from modules.training.pictures import to_pictures, to_tensor
from modules.training.report import Report, check_card, write_card, write_sheet

MODEL = ROOT / "models" / "Stable-diffusion" / "easel-mini"
WORK = Path.home() / ".cache" / "easel" / "evaluate"
SHEET_LABELS, SHEET_COMPOSITIONS = 36, 12
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extent:
    """How many pictures are painted, from which seed on."""

    labels: int
    compositions: int
    seed: int


@dataclass(frozen=True)
class Evaluation:
    report: Report
    sheet: list[np.ndarray]
    prompts: list[str]  # of the sheet's pictures


def evaluate(paint: Painter, rebuild: measures.Rebuild, pictures: PictureSet, extent: Extent) -> Evaluation:
    """All measures but the speed; the report's conditions are the caller's to say."""
    subjects = measures.choose(pictures, extent.labels)
    composed = measures.choose(pictures, extent.compositions)
    likeness = Likeness(pictures)
    found = measures.rebuilt(rebuild, pictures)
    found.append(measures.ceiling(likeness, rebuild, pictures, subjects))
    for one in found:
        log.info("%s: %.3f (%s)", one.name, one.value, one.bar)
    by_label, labelled, plain = measures.labels(paint, likeness, pictures, subjects, extent.seed)
    background, on_colours, coloured = measures.compositions(paint, pictures, composed, extent.seed)
    found += [*by_label, background, measures.diversity(paint, pictures, extent.seed)]
    first, second = spread(len(plain), SHEET_LABELS), spread(len(coloured), SHEET_COMPOSITIONS)
    return Evaluation(
        Report({}, tuple(found), tuple(labelled), tuple(on_colours)),
        [*plain[first], *coloured[second]],
        [labelled[place].prompt for place in first] + [on_colours[place].prompt for place in second],
    )


def spread(length: int, count: int) -> list[int]:
    """At most `count` places, one in each stretch, further in each time: colours that come in turn are all shown."""
    count = min(count, length)
    stretch = length // count
    return [place * stretch + place % stretch for place in range(count)]


def read_autoencoder(model: Path) -> measures.Rebuild:
    """The model's autoencoder in full precision, without sampling."""
    device = select_device()
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32, local_files_only=True)
    vae.to(device).eval()

    @torch.no_grad()
    def rebuild(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        again, latents = [], []
        for start in range(0, len(pictures), 4):
            latent = vae.encode(to_tensor(pictures[start : start + 4]).to(device)).latent_dist.mode()
            again.append(to_pictures(vae.decode(latent).sample))
            latents.append(((latent - (vae.config.shift_factor or 0)) * vae.config.scaling_factor).cpu().numpy())
        return np.concatenate(again), np.concatenate(latents)

    return rebuild


def run(given: argparse.Namespace) -> None:
    """Measure given.model and write what was asked for; then forget the painted pictures."""
    if given.card:
        check_card(given.card)  # now, not after half an hour
    sampling = Sampling(steps=given.steps, cfg_scale=given.cfg)
    weights = weights_hash(given.model)
    kept = given.work / f"{weights[:16]}-{given.steps}-{given.cfg:g}"
    with tempfile.TemporaryDirectory() as work:
        painter = EnginePainter(given.model, Path(work), sampling)
        pictures = fluent_emoji.load(given.data, painter.size)
        extent = Extent(given.labels, given.compositions, given.seed)
        made = evaluate(KeptPainter(painter, kept), read_autoencoder(given.model), pictures, extent)
        seconds = painter.seconds(Wish(made.prompts[0], given.seed))
        plan = painter.plan([Wish("", given.seed)])
    timing = measures.speed(seconds, painter.size, given.steps, device_name(), torch.get_num_threads())
    report = dataclasses.replace(
        made.report,
        conditions={
            "weights": weights[:16],
            "sampler": f"{plan.sampling.sampler} {plan.sampling.schedule}",
            "steps": given.steps,
            "CFG": given.cfg,
            "first seed": given.seed,
            "precision": plan.model.mode,
            "torch": torch.__version__,
        },
        measures=(*made.report.measures, timing),
    )
    log.info("\n%s", report.to_markdown())
    if given.json:
        write_atomic(given.json, report.to_json())
    if given.card:
        write_card(given.card, report.to_markdown())
    if given.sheet:
        write_sheet(given.sheet, made.sheet, made.prompts)
    shutil.rmtree(kept)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m modules.training.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=MODEL, help="a diffusers folder")
    parser.add_argument("--data", type=Path, default=fluent_emoji.FOLDER, help="the built set of emoji")
    parser.add_argument("--labels", type=int, default=400, help="plain labels painted")
    parser.add_argument("--compositions", type=int, default=200, help="pictures on named backgrounds")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first picture")
    parser.add_argument("--json", type=Path, help="write every number and every picture's result here")
    parser.add_argument("--card", type=Path, help="replace the table between the marker comments of this README.md")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of 48 prompts here, as JPEG")
    parser.add_argument("--work", type=Path, default=WORK, help="holds painted pictures until all are measured")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        run(given)
    except EaselError as error:
        logging.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
