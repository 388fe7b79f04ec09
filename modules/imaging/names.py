"""Names of files and folders from patterns such as [date] or [seed]-[prompt_words], with A1111's tags.

A tag takes arguments in angle brackets: [datetime<%Y-%m-%d><Asia/Tokyo>]. Unknown tags stay as they are. A tag that
does not apply (None below: "no place in a batch of one") vanishes together with the text between it and the tag before.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from modules.imaging.metadata import clean_text

MAX_PART = 128  # characters of one tag's value and of one file's or folder's name, unless a setting says otherwise
MAX_WORDS = 8
HASH_LENGTH = 8
PART_BYTES = 255  # of one file's or folder's name; most file systems take no more

_TAG = re.compile(r"\[([^\[\]]+)\]")
_ARGUMENT = re.compile(r"<([^<>]*)>")
_NOT_WORD = re.compile(rf"[\s{re.escape(string.punctuation)}]+")
_UNSAFE_ON_UNIX = re.compile(r"[/\x00-\x1f\x7f]")
_UNSAFE = re.compile(r'[#<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)")  # on Windows


@dataclass(frozen=True, kw_only=True)
class NameContext:
    """What the tags stand for. Numbers within a batch are counted from 1 and None when there is only one."""

    seed: int | None = None
    seed_first: int | None = None
    seed_last: int | None = None
    steps: int | None = None
    cfg: float | None = None
    width: int | None = None
    height: int | None = None
    denoising: float | None = None
    clip_skip: int | None = None
    sampler: str = ""
    schedule: str = ""
    model_name: str = ""
    model_hash: str = ""
    vae: str = ""
    prompt: str = ""  # with styles, as painted
    prompt_no_styles: str | None = None  # None: the same
    negative: str = ""
    styles: tuple[str, ...] = ()
    batch_number: int | None = None
    batch_size: int = 1
    generation_number: int | None = None
    time: datetime | None = None  # None: now
    job_timestamp: str = ""
    user: str = ""
    basename: str = ""  # the file that a picture was made from
    image_bytes: Callable[[], bytes] | None = None  # for [image_hash]; asked only when the tag is used
    max_words: int = MAX_WORDS  # of [prompt_words]
    max_part: int = MAX_PART
    unix: bool = False  # names need to suit this system only


def render_pattern(pattern: str, context: NameContext) -> str:
    """The name for `pattern`, safe on every system. Slashes in the pattern itself part folders; none leads upwards."""
    pattern = clean_text(pattern).replace("\\", "/")
    out: list[str] = []
    at = 0
    for found in _TAG.finditer(pattern):
        before, at = pattern[at : found.start()], found.end()
        name, arguments = found[1].split("<", 1)[0].lower(), _ARGUMENT.findall(found[1])
        tag = _TAGS.get(name)
        if tag is None:
            out += [before, found[0]]
            continue
        value = tag(context, arguments)
        if value is not None:
            out += [before, safe_part(value.replace("/", "_"), context.max_part, unix=context.unix)]
    whole = "".join([*out, pattern[at:]])
    parts = (cut_bytes(safe_part(part, context.max_part, unix=context.unix), PART_BYTES) for part in whole.split("/"))
    return "/".join(part for part in parts if part)


def safe_part(text: str, limit: int = MAX_PART, *, unix: bool = False) -> str:
    """`text` as one file's or folder's name: no character, ending or reserved word that any system refuses.

    `unix`: only what Unix refuses is taken out.
    """
    unsafe = _UNSAFE_ON_UNIX if unix else _UNSAFE
    text = unsafe.sub("_", clean_text(text)).lstrip(" ")[:limit].rstrip(" .")
    return f"_{text}" if _RESERVED.match(text) and not unix else text


def cut_bytes(text: str, limit: int) -> str:
    """`text` cut to `limit` bytes of UTF-8 between characters; file systems count so."""
    return clean_text(text).encode("utf-8")[:limit].decode("utf-8", "ignore").rstrip(" .")


Tag = Callable[[NameContext, "list[str]"], "str | None"]  # None: vanish with the text before


def _plain(name: str) -> Tag:
    """The value itself; nothing where it is not known."""

    def tag(context: NameContext, arguments: list[str]) -> str | None:
        value = getattr(context, name)
        return "" if value is None else str(value)

    return tag


def _optional(name: str) -> Tag:
    def tag(context: NameContext, arguments: list[str]) -> str | None:
        value = getattr(context, name)
        return None if value is None else str(value)

    return tag


def _number(value: float | None) -> str:
    return "" if value is None else str(int(value) if float(value).is_integer() else value)


def _time(context: NameContext, arguments: list[str]) -> str:
    moment, form = context.time or datetime.now(), arguments[0] if arguments and arguments[0] else "%Y%m%d%H%M%S"
    try:
        if len(arguments) > 1 and arguments[1]:
            moment = moment.astimezone(ZoneInfo(arguments[1]))
        return moment.strftime(form)
    except (ValueError, OSError, LookupError):  # no such zone, no such format: a picture must not be lost for it
        return (context.time or datetime.now()).strftime("%Y%m%d%H%M%S")


def _sha(data: bytes, arguments: list[str], length: int | None) -> str:
    wanted = arguments[0] if arguments else ""
    return hashlib.sha256(data).hexdigest()[: int(wanted) if re.fullmatch(r"[0-9]{1,2}", wanted) else length]


def _text_hash(read: Callable[[NameContext], str]) -> Tag:
    return lambda context, arguments: _sha(clean_text(read(context)).encode("utf-8"), arguments, HASH_LENGTH)


def _image_hash(context: NameContext, arguments: list[str]) -> str | None:
    return None if context.image_bytes is None else _sha(context.image_bytes(), arguments, None)


def _words(context: NameContext, arguments: list[str]) -> str:
    words = [word for word in _NOT_WORD.split(context.prompt) if word]
    return " ".join(words[: context.max_words] or ["empty"])


def _has_prompt(context: NameContext, arguments: list[str]) -> str:
    """[hasprompt<cat|nocat><dog>]: each word that the prompt has, else what stands after its bar."""
    prompt = context.prompt.lower()
    found = ""
    for argument in arguments:
        word, _, otherwise = argument.partition("|")
        if word:
            found += word.lower() if word.lower() in prompt else otherwise
    return found


def _no_styles(context: NameContext) -> str:
    return context.prompt if context.prompt_no_styles is None else context.prompt_no_styles


def _underscored(text: str) -> str:
    return text.replace(" ", "_")


_TAGS: dict[str, Tag] = {
    **{
        name: _plain(name)
        for name in ("seed", "steps", "width", "height", "model_hash", "clip_skip", "user", "basename", "batch_size")
    },
    **{name: _optional(name) for name in ("seed_last", "batch_number", "generation_number", "denoising")},
    "seed_first": lambda context, _: str(
        next((one for one in (context.seed_first, context.seed) if one is not None), "")
    ),
    "cfg": lambda context, _: _number(context.cfg),
    "styles": lambda context, _: ", ".join(style for style in context.styles if style != "None") or "None",
    "sampler": lambda context, _: context.sampler,
    "scheduler": lambda context, _: context.schedule,
    "sampler_scheduler": lambda context, _: f"{context.sampler} {context.schedule}".strip(),
    "model_name": lambda context, _: context.model_name,
    "vae_filename": lambda context, _: context.vae or "NoneType",
    "date": lambda context, _: (context.time or datetime.now()).strftime("%Y-%m-%d"),
    "datetime": _time,
    "job_timestamp": lambda context, _: context.job_timestamp or _time(context, []),
    "prompt": lambda context, _: _underscored(context.prompt),
    "prompt_no_styles": lambda context, _: _underscored(_no_styles(context)),
    "prompt_spaces": lambda context, _: context.prompt,
    "prompt_words": _words,
    "prompt_hash": _text_hash(lambda context: context.prompt),
    "negative_prompt_hash": _text_hash(lambda context: context.negative),
    "full_prompt_hash": _text_hash(lambda context: f"{context.prompt} {context.negative}"),
    "hasprompt": _has_prompt,
    "image_hash": _image_hash,
    "none": lambda context, _: "",
}
