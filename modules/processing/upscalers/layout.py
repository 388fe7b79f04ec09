"""Which network a file holds, from the names and shapes of its tensors. Needs no torch.

RRDBNet: ESRGAN (arXiv:1809.00219), BSRGAN, Real-ESRGAN (arXiv:2107.10833), under three ways of naming the same parts.
Compact: Real-ESRGAN's SRVGGNetCompact, its small networks for video and general use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from modules.core.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]
CONVERT = "Convert it again from the original file, or take another file of this model."


@dataclass(frozen=True, kw_only=True)
class RrdbLayout:
    """`unshuffle`: the side of the squares of pixels that become channels before the network. `ups`: doublings in it.

    `names`: for each tensor of our module, its name in the file.
    """

    channels: int
    growth: int
    blocks: int
    ups: int
    unshuffle: int
    names: Mapping[str, str]

    @property
    def scale(self) -> int:
        return 2**self.ups // self.unshuffle


@dataclass(frozen=True, kw_only=True)
class CompactLayout:
    """`convs`: convolutions between the first and the last."""

    channels: int
    convs: int
    scale: int
    names: Mapping[str, str]


Layout = RrdbLayout | CompactLayout


def find_layout(shapes: Shapes, label: str) -> Layout | None:
    """The network of a file, None when it is another one. ModelError when it is one of these with parts missing."""
    layout = _rrdb(shapes, label) or _compact(shapes, label)
    if layout is None:
        return None
    missing = [one for one in layout.names.values() if one not in shapes]
    if missing:
        raise ModelError(
            f"{label} lacks {len(missing)} of {len(layout.names)} tensors of {_NAMES[type(layout)]}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}.",
            hint=CONVERT,
        )
    more = set(shapes) - set(layout.names.values())
    return None if more else layout  # a relative with parts that ours has not, such as ESRGAN+


_NAMES = {RrdbLayout: "RRDBNet", CompactLayout: "SRVGGNetCompact"}


def _rrdb(shapes: Shapes, label: str) -> RrdbLayout | None:
    for naming in (_real_esrgan, _esrgan, _esrgan_sequence):
        found = naming(shapes)
        if found is None:
            continue
        blocks, ups, table = found
        names = {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in table.items() for part in ("weight", "bias")}
        first = _shape(shapes, names["conv_first.weight"], 4, label)
        dense = _shape(shapes, names["body.0.rdb1.conv1.weight"], 4, label)
        last = _shape(shapes, names["conv_last.weight"], 4, label)
        unshuffle = math.isqrt(first[1] // 3)
        if last[0] != 3 or first[1] != 3 * unshuffle**2 or unshuffle not in (1, 2, 4) or 2**ups < unshuffle:
            raise ModelError(f"{label} takes {first[1]} channels and gives {last[0]}: it is not for RGB pictures.")
        return RrdbLayout(channels=first[0], growth=dense[0], blocks=blocks, ups=ups, unshuffle=unshuffle, names=names)
    return None


_Naming = tuple[int, int, dict[str, str]]  # blocks, doublings, our layer -> theirs


def _dense(blocks: int, pattern: str) -> dict[str, str]:
    """body.N.rdbM.convK by the file's way of writing it."""
    return {
        f"body.{n}.rdb{m}.conv{k}": pattern.format(n=n, m=m, k=k)
        for n in range(blocks)
        for m in (1, 2, 3)
        for k in (1, 2, 3, 4, 5)
    }


def _real_esrgan(shapes: Shapes) -> _Naming | None:
    blocks = _count(shapes, r"body\.(\d+)\.rdb\d\.")
    if not blocks:
        return None
    ups = max(_count(shapes, r"conv_up(\d+)\.") - 1, 0)  # numbered from 1
    table = {name: name for name in ("conv_first", "conv_body", "conv_hr", "conv_last")}
    table |= {f"conv_up.{n}": f"conv_up{n + 1}" for n in range(ups)}
    return blocks, ups, table | _dense(blocks, "body.{n}.rdb{m}.conv{k}")


def _esrgan(shapes: Shapes) -> _Naming | None:
    blocks = _count(shapes, r"RRDB_trunk\.(\d+)\.")
    if not blocks:
        return None
    ups = max(_count(shapes, r"upconv(\d+)\.") - 1, 0)
    table = {"conv_first": "conv_first", "conv_body": "trunk_conv", "conv_hr": "HRconv", "conv_last": "conv_last"}
    table |= {f"conv_up.{n}": f"upconv{n + 1}" for n in range(ups)}
    return blocks, ups, table | _dense(blocks, "RRDB_trunk.{n}.RDB{m}.conv{k}")


def _esrgan_sequence(shapes: Shapes) -> _Naming | None:
    """ESRGAN's first files: one sequence, where each doubling is (resize, convolution, activation)."""
    blocks = _count(shapes, r"model\.1\.sub\.(\d+)\.RDB")
    if not blocks:
        return None
    places = sorted({int(one[1]) for one in (re.match(r"model\.(\d+)\.weight$", name) for name in shapes) if one})
    ups = max((places[-1] - 4) // 3, 0) if places else 0
    table = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    table |= {"conv_hr": f"model.{ups * 3 + 2}", "conv_last": f"model.{ups * 3 + 4}"}
    table |= {f"conv_up.{n}": f"model.{n * 3 + 3}" for n in range(ups)}
    return blocks, ups, table | _dense(blocks, "model.1.sub.{n}.RDB{m}.conv{k}.0")


def _compact(shapes: Shapes, label: str) -> CompactLayout | None:
    first, slope = shapes.get("body.0.weight", ()), shapes.get("body.1.weight", ())
    if len(first) != 4 or len(slope) != 1 or first[1:] != (3, 3, 3):
        return None
    places = [int(one[1]) for one in (re.match(r"body\.(\d+)\.weight$", name) for name in shapes) if one]
    end = max(places)
    last = _shape(shapes, f"body.{end}.weight", 4, label)
    scale = math.isqrt(last[0] // 3)
    if last[0] != 3 * scale**2 or end % 2:
        raise ModelError(f"{label} ends in {last[0]} channels: no scale of an RGB picture has as many.", hint=CONVERT)
    names = [f"body.{n}.{part}" for n in range(end + 1) for part in (("weight",) if n % 2 else ("weight", "bias"))]
    return CompactLayout(channels=first[0], convs=end // 2 - 1, scale=scale, names={name: name for name in names})


def _count(shapes: Shapes, pattern: str) -> int:
    """One more than the largest number that a name has at the start of `pattern`'s group."""
    return max((int(one[1]) + 1 for one in (re.match(pattern, name) for name in shapes) if one), default=0)


def _shape(shapes: Shapes, name: str, sides: int, label: str) -> tuple[int, ...]:
    found = shapes.get(name)
    if found is None or len(found) != sides:
        raise ModelError(f"{label} has no {name} of {sides} dimensions.", hint=CONVERT)
    return found
