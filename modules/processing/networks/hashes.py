"""The field "Lora hashes" of an infotext: "name: hash, name: hash"; written, and followed to files of other names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modules.core.errors import NotFoundError
from modules.core.settings import Setting, define

if TYPE_CHECKING:
    from modules.processing.networks.files import NetworkFiles
    from modules.processing.plan import NetworkPlan, Plan

FIELD = "Lora hashes"
PROMPTS = ("Prompt", "Hires prompt")
ADD_HASHES = define(
    Setting("lora_add_hashes_to_infotext", True, "Hashes of LoRA files in infotext", section="Infotext")
)
_ENTRY = re.compile(r"([^,:]+):\s*([0-9a-fA-F]{8,64})")
_NETWORK = re.compile(r"<(lora|lyco):([^:>]+)")


def networks_of(plan: Plan) -> tuple[NetworkPlan, ...]:
    """Of both passes."""
    return (*plan.networks, *(plan.hires.second.networks if plan.hires else ()))


def with_digests(plan: Plan, files: NetworkFiles) -> Plan:
    """The plan with the hashes of its networks, computed if need be."""
    own = tuple(dataclasses.replace(one, file=files.hashed(one.file)) for one in plan.networks)
    plan = dataclasses.replace(plan, networks=own)
    if plan.hires is None:
        return plan
    return dataclasses.replace(
        plan, hires=dataclasses.replace(plan.hires, second=with_digests(plan.hires.second, files))
    )


def hashes_field(plan: Plan) -> str | None:
    """Names as the prompts have them, without the field's own marks."""
    told = {re.sub("[,:]", "", one.called or one.file.name): one.file.short_hash for one in networks_of(plan)}
    return ", ".join(f"{name}: {digits}" for name, digits in told.items() if digits) or None


def follow_hashes(fields: Mapping[str, str], files: NetworkFiles) -> dict[str, str]:
    """An infotext's fields with the names that this computer's files have, where their hashes are the infotext's."""
    wanted = _wanted(fields)

    def here(found: re.Match[str]) -> str:
        digits = wanted.get(found[2].strip().replace(",", ""))
        file = files.with_hash(digits) if digits and _other(found[2], digits, files) else None
        return found[0] if file is None else f"<{found[1]}:{file.name}"

    return {name: _NETWORK.sub(here, text) if wanted and name in PROMPTS else text for name, text in fields.items()}


def missed_networks(fields: Mapping[str, str], files: NetworkFiles) -> list[str]:
    """What is not here of the networks that an infotext's prompts name, its hashes followed."""
    wanted = _wanted(fields)
    told: list[str] = []
    for _, name in _NETWORK.findall(" ".join(fields.get(one, "") for one in PROMPTS)):
        digits = wanted.get(name.strip().replace(",", ""), "")
        try:
            have = files.find(name).digest
        except NotFoundError:
            told.append(f"The network {name} is not here.")
        else:
            if digits and have and not have.startswith(digits):
                told.append(f"The network {name} is here, but another one than [{digits}].")
    return list(dict.fromkeys(told))


def _wanted(fields: Mapping[str, str]) -> dict[str, str]:
    return {name.strip(): digits.casefold() for name, digits in _ENTRY.findall(fields.get(FIELD, ""))}


def _other(name: str, digits: str, files: NetworkFiles) -> bool:
    """Whether the file of this name is not the one of this hash."""
    try:
        return not files.find(name).digest.startswith(digits)
    except NotFoundError:
        return True
