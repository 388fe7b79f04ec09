"""Fine-tuning: the model to begin with, what of it learns, what must not be forgotten, and how the result is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modules.core.errors import UserError
from modules.training.config.data import Data
from modules.training.config.ranges import check_range

NAME = "[name]"  # where a template says the token
FILEWORDS = "[filewords]"  # where a template says a picture's caption


@dataclass(frozen=True)
class Base:
    """The model to fine-tune."""

    checkpoint: str = ""  # a name in the catalog, or a path
    vae: str = ""  # likewise; empty: the checkpoint's own
    clip_skip: int = 1  # which of CLIP's last layers is read, counted from the end


@dataclass(frozen=True)
class Lora:
    """Low-rank changes (arXiv:2106.09685) of all Linear and 1x1 convolutions of the transformers: W + alpha / rank BA.

    `blocks` are parts of layers' names such as "mid_block", "up_blocks.1" or "attn2"; only such layers of the U-Net
    learn, all if there are none. `rslora` divides by the root of the rank (arXiv:2312.03732), `dora` learns the norms
    of the weights' rows apart (arXiv:2402.09353).
    """

    rank: int = 16
    alpha: float = 8.0
    rslora: bool = False
    dora: bool = False
    conv_rank: int = 0  # of 3x3 convolutions; 0: only transformers learn, otherwise residual blocks too
    conv_alpha: float = 0.0  # 0: conv_rank
    text_encoder: bool = True
    text_encoder_lr: float = 0.0  # 0: optimizer.lr
    blocks: tuple[str, ...] = ()
    dropout: float = 0.0  # of the input of every change


@dataclass(frozen=True)
class TextualInversion:
    """New vectors for a token (arXiv:2208.01618); all else stays bit by bit.

    `templates` are prompts with "[name]" and, where wanted, "[filewords]" for a picture's caption; empty: the
    built-in ones of `about`.
    """

    token: str = ""
    vectors: int = 4
    words: str = ""  # whose vectors to begin with; empty: the mean of all words
    norm_bound: float = 2.0  # longest vector by the median of the vocabulary's; 0: none
    about: Literal["subject", "style"] = "subject"
    templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prior:
    """What keeps the class of a subject as it was (arXiv:2208.12242, 3.3).

    "pictures": the model's own pictures of `class_prompt` are learned beside those of the subject, `weight` times.
    "prediction": for `class_prompt` the model with its change must say what it says without; needs no pictures.
    """

    kind: Literal["none", "pictures", "prediction"] = "none"
    weight: float = 1.0
    class_prompt: str = ""
    folder: str = ""  # of the class pictures; empty: one in the run's folder. Those that lack are made
    count: int = 100  # class pictures


@dataclass(frozen=True)
class Concept:
    """A subject of several: its pictures, its prompt, and its class."""

    folder: str
    prompt: str
    class_prompt: str = ""
    class_folder: str = ""


@dataclass(frozen=True)
class Dreambooth:
    """A subject by a rare token and its class: `prompt` is "a photo of sks dog", prior.class_prompt "a photo of dog".

    With `concepts` there are several; then data.folder, `prompt` and prior.class_prompt are not used.
    """

    trains: Literal["lora", "all"] = "lora"
    prompt: str = ""
    concepts: tuple[Concept, ...] = ()


@dataclass(frozen=True)
class Finetune:
    """The whole U-Net learns."""

    text_encoder: bool = False
    text_encoder_lr: float = 0.0  # 0: optimizer.lr
    output: Literal["folder", "single_file"] = "single_file"


@dataclass(frozen=True)
class Output:
    """The file that others use: models/Lora/NAME.safetensors and so on, where `install` says so."""

    name: str = ""  # empty: that of the run's folder
    install: bool = False
    precision: Literal["fp32", "fp16", "bf16"] = "fp16"
    names: Literal["kohya", "peft"] = "kohya"  # of the layers in a LoRA file
    metadata: Literal["full", "minimal"] = "full"  # full: captions' words, settings, date


def check_base(base: Base) -> None:
    if not base.checkpoint:
        raise UserError(
            "base.checkpoint is empty.",
            hint="Name the model to fine-tune, such as easel-mini.",
            field="base.checkpoint",
        )
    check_range("base.clip_skip", base.clip_skip, 1, 12)


def check_lora(lora: Lora) -> None:
    check_range("lora.rank", lora.rank, 1, 1024)
    check_range("lora.conv_rank", lora.conv_rank, 0, 1024)
    check_range("lora.alpha", lora.alpha, 1e-3, 1e4)
    check_range("lora.conv_alpha", lora.conv_alpha, 0, 1e4)
    check_range("lora.dropout", lora.dropout, 0, 0.99)
    _check_text_encoder("lora", lora.text_encoder, lora.text_encoder_lr)
    if lora.conv_alpha and not lora.conv_rank:
        raise UserError(
            "lora.conv_alpha does nothing without lora.conv_rank.", hint="Give conv_rank too.", field="lora.conv_alpha"
        )
    if lora.dora and lora.dropout:
        raise UserError(
            "lora.dropout would change the norms that lora.dora learns.", hint="Use one of them.", field="lora.dropout"
        )


def check_textual_inversion(wish: TextualInversion) -> None:
    if not wish.token.strip() or wish.token != wish.token.strip() or any(one in wish.token for one in "()[]:|\\/<>,"):
        raise UserError(
            f"textual_inversion.token is {wish.token!r}.",
            hint="Use the word that prompts will say, without brackets, commas or colons.",
            field="textual_inversion.token",
        )
    check_range("textual_inversion.vectors", wish.vectors, 1, 75)
    if wish.norm_bound:
        check_range("textual_inversion.norm_bound", wish.norm_bound, 0.1, 100)
    for template in wish.templates:
        if NAME not in template:
            raise UserError(
                f"The template {template!r} does not say {NAME}.",
                hint=f"Write {NAME} where the token belongs.",
                field="textual_inversion.templates",
            )


def check_dreambooth(wish: Dreambooth, prior: Prior, data: Data) -> None:
    if not wish.concepts:
        if not wish.prompt.strip():
            raise UserError(
                "dreambooth.prompt is empty.",
                hint='Write a rare token and the class, such as "a photo of sks dog".',
                field="dreambooth.prompt",
            )
        return
    for number, concept in enumerate(wish.concepts):
        for name, value in (("folder", concept.folder), ("prompt", concept.prompt)):
            if not value.strip():
                place = f"dreambooth.concepts.{number}.{name}"
                raise UserError(f"{place} is empty.", hint="Every concept has its own.", field=place)
        if prior.kind != "none" and not concept.class_prompt.strip():
            place = f"dreambooth.concepts.{number}.class_prompt"
            raise UserError(f"{place} is empty.", hint='Say the class, or use prior.kind "none".', field=place)
    unused = {"dreambooth.prompt": wish.prompt, "prior.class_prompt": prior.class_prompt, "prior.folder": prior.folder}
    for name, value in unused.items():
        if value:
            raise UserError(f"{name} does nothing with dreambooth.concepts.", hint="Leave it out.", field=name)


def check_prior(prior: Prior, *, adapter: bool, concepts: bool) -> None:
    """`adapter`: what learns can be taken off the model, which then says what it said before."""
    check_range("prior.weight", prior.weight, 0, 100)
    check_range("prior.count", prior.count, 1, 10_000)
    if prior.kind == "prediction" and not adapter:
        raise UserError(
            'prior.kind "prediction" needs the model as it was, which a whole model that learns is not.',
            hint='Use "pictures", or train a LoRA.',
            field="prior.kind",
        )
    if prior.kind != "none" and not concepts and not prior.class_prompt.strip():
        raise UserError(
            "prior.class_prompt is empty.", hint='Say the class, such as "a photo of dog".', field="prior.class_prompt"
        )
    if prior.kind != "pictures" and prior.folder:
        raise UserError(
            f'prior.folder does nothing with prior.kind "{prior.kind}".', hint="Leave it out.", field="prior.folder"
        )


def check_finetune(wish: Finetune) -> None:
    _check_text_encoder("finetune", wish.text_encoder, wish.text_encoder_lr)


def _check_text_encoder(section: str, trained: bool, rate: float) -> None:
    check_range(f"{section}.text_encoder_lr", rate, 0, 100)
    if rate and not trained:
        raise UserError(
            f"{section}.text_encoder_lr does nothing without {section}.text_encoder.",
            hint="Leave it out.",
            field=f"{section}.text_encoder_lr",
        )
