"""The networks that a prompt names: looked up, and checked against the checkpoint from headers alone. No torch.

An unknown name is an error and not a warning, other than in A1111: a picture without its network is not what was
asked for, and nobody sees a warning in a queue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modules.core.errors import EaselError, ModelError, UserError
from modules.core.settings import Setting, Settings, define
from modules.processing.models.catalog import ModelFile
from modules.processing.models.safetensors_header import read_header
from modules.processing.networks.family import LABELS
from modules.processing.networks.files import NetworkFile
from modules.processing.networks.keys import take_apart
from modules.processing.networks.layers import checkpoint_layers
from modules.processing.networks.match import match
from modules.processing.plan import ModelPlan, NetworkPlan
from modules.prompting.networks import Network, parse_networks

if TYPE_CHECKING:
    from modules.processing.networks.files import NetworkFiles

SECTION = "Extra networks"
NO_NETWORK = "None"
ADDED = define(
    Setting(
        "sd_lora",
        NO_NETWORK,
        "Add a network to every prompt",
        section=SECTION,
        hint="The name of a LoRA; None adds nothing. A prompt that names it already stays as it is.",
    )
)
DEFAULT_MULTIPLIER = define(
    Setting(
        "extra_networks_default_multiplier",
        1.0,
        "Weight of a LoRA that a card or a setting puts into the prompt",
        section=SECTION,
        minimum=-2.0,
        maximum=2.0,
        step=0.01,
        hint="A preferred weight in the LoRA's own notes goes before it on cards.",
    )
)
LORA = ("lora", "lyco")
ARGUMENTS = ("te", "unet", "dyn")  # by position after the name, or named
LARGEST = 100.0  # multiplier
SHOWN = 3  # layers that are named in a note


def with_added(prompt: str, settings: Settings) -> str:
    """The prompt with the network that the settings add to every one."""
    name = settings[ADDED].strip()
    if name in ("", NO_NETWORK):
        return prompt
    _, networks = parse_networks(prompt)
    if any(one.kind in LORA and one.args[:1] == (name,) for one in networks):
        return prompt
    return f"{prompt}<lora:{name}:{settings[DEFAULT_MULTIPLIER]:g}>"


def networks_for(
    prompt: str, model: ModelPlan, files: NetworkFiles, *, wanted: bool
) -> tuple[str, tuple[NetworkPlan, ...], list[str]]:
    """The text that the encoder reads, the networks of its pass, and what a person should know about them.

    UserError for a network that there is not, that is broken, or that was made for another model.
    """
    text, networks = parse_networks(prompt)
    plans: list[NetworkPlan] = []
    notes: list[str] = []
    for network in networks if wanted else ():
        if network.kind in LORA:
            plans.append(_plan(network, model.checkpoint, files, notes))
        elif network.kind == "hypernet":
            notes.append(f"{_written(network)} was left out: hypernetworks are not supported.")
        else:
            notes.append(f"{_written(network)} was left out: only lora and lyco are known.")
    if plans and model.refiner is not None:
        names = ", ".join(dict.fromkeys(one.file.name for one in plans))
        notes.append(f"The refiner takes no networks; {names} changes the first model only.")
    return text, tuple(plans), notes


def network_troubles(prompt: str, checkpoint: ModelFile, files: NetworkFiles) -> list[str]:
    """Why networks of a prompt would be refused."""
    found: list[str] = []
    for network in parse_networks(prompt)[1]:
        try:
            if network.kind in LORA:
                _plan(network, checkpoint, files, [])
        except EaselError as error:
            found.append(str(error))
    return found


def _plan(network: Network, checkpoint: ModelFile, files: NetworkFiles, notes: list[str]) -> NetworkPlan:
    told = dict(zip(ARGUMENTS, network.args[1:])) | {
        name: one for name, one in network.named.items() if name in ARGUMENTS
    }
    ignored = [*network.args[1 + len(ARGUMENTS) :], *(name for name in network.named if name not in ARGUMENTS)]
    if ignored:
        notes.append(f"{_written(network)}: {', '.join(ignored)} is not understood and was left out.")
    if not network.args:
        raise UserError(f"{_written(network)} names no file.", hint="Write <lora:NAME:1>.", field="prompt")
    file = files.find(network.args[0])
    te = _number(network, "te", told.get("te"), 1.0)
    dyn = _number(network, "dyn", told.get("dyn"), 0.0)
    if file.broken:
        raise UserError(f"The network {file.name} cannot be used. {file.broken}", field="prompt")
    if dyn and file.kind not in ("LoRA", "DoRA", ""):
        raise UserError(
            f"{_written(network)} asks for {dyn:g} ranks, but a {file.kind} file has none to choose from.",
            hint="Leave dyn out.",
            field="prompt",
        )
    matched, total = _check(file, checkpoint, notes)
    return NetworkPlan(
        file=file,
        te=te,
        unet=_number(network, "unet", told.get("unet"), te),
        dyn=max(1, int(dyn)) if dyn else None,
        called=network.args[0].strip(),
        matched=matched,
        total=total,
    )


def _number(network: Network, name: str, text: str | None, otherwise: float) -> float:
    try:
        value = otherwise if text is None or not text.strip() else float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise UserError(
            f"{_written(network)}: {name} is {text!r}, but a number from -{LARGEST:g} to {LARGEST:g} was expected.",
            hint="Write <lora:NAME:1> or <lora:NAME:te=1:unet=0.5>.",
            field="prompt",
        )
    return value


def _check(file: NetworkFile, checkpoint: ModelFile, notes: list[str]) -> tuple[int, int]:
    """Modules that find their layer in the checkpoint, and all of them; (0, 0) where headers do not tell."""
    if file.family and checkpoint.family and file.family != checkpoint.family:
        raise _other_model(file, checkpoint)
    layers = checkpoint_layers(checkpoint)
    if layers is None or file.path.suffix.lower() != ".safetensors":
        return 0, 0
    try:
        header = read_header(file.path)
    except ModelError as error:
        raise UserError(f"The network {file.name} cannot be used. {error.message}", field="prompt") from error
    keys = take_apart(header.tensors)
    found = match(keys, {name: one.shape for name, one in header.tensors.items()}, layers)
    if not found.targets and not keys.bundled:
        raise _other_model(file, checkpoint)
    if found.missed:
        notes.append(partial_note(file.name, len(found.targets), found.total, found.missed))
    return len(found.targets), found.total


def partial_note(name: str, matched: int, total: int, missed: Sequence[str]) -> str:
    """What is said of a network of which some modules found no layer."""
    some = ", ".join(missed[:SHOWN]) + (", ..." if len(missed) > SHOWN else "")
    return f"Only {matched} of {total} parts of the network {name} fit this model; without use are {some}."


def _other_model(file: NetworkFile, checkpoint: ModelFile) -> UserError:
    made = " and ".join(one for one in (LABELS.get(file.family, ""), file.base and f"trained on {file.base}") if one)
    made = f"It was made for {made}" if file.family else f"It was {made}" if made else "It does not say for what model"
    here = LABELS.get(checkpoint.family, "of another kind")
    fits = "" if file.family and file.family != checkpoint.family else ", and none of its parts fits"
    return UserError(
        f"The network {file.name} does not fit. {made}, but {checkpoint.stem} is {here}{fits}.",
        hint="Choose another checkpoint, or take the network out of the prompt.",
        field="prompt",
    )


def _written(network: Network) -> str:
    return f"<{network.kind}:{':'.join((*network.args, *(f'{name}={one}' for name, one in network.named.items())))}>"
