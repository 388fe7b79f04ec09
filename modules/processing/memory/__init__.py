"""Memory modes: which precision each part of a model has. `resolve_mode(settings)` names the one to use."""

from __future__ import annotations

from dataclasses import dataclass

from modules.core.registry import Registry
from modules.core.settings import Setting, Settings, define
from modules.processing.memory.device import device_name, select_device

__all__ = ["MEMORY_MODE", "MemoryMode", "choose_mode", "device_name", "memory_modes", "resolve_mode", "select_device"]


@dataclass(frozen=True, kw_only=True)
class MemoryMode:
    """The precision of each part, by torch's names: "float32", "bfloat16", "float16"."""

    name: str
    unet_dtype: str
    text_dtype: str
    vae_dtype: str


memory_modes: Registry[MemoryMode] = Registry("memory mode")
for _mode in (
    MemoryMode(name="fp32", unet_dtype="float32", text_dtype="float32", vae_dtype="float32"),
    MemoryMode(name="bf16", unet_dtype="bfloat16", text_dtype="bfloat16", vae_dtype="bfloat16"),
    MemoryMode(name="fp16", unet_dtype="float16", text_dtype="float32", vae_dtype="float32"),
):
    memory_modes.add(_mode.name, _mode)

MEMORY_MODE = define(
    Setting(
        "memory_mode",
        "Automatic",
        "Precision of the model",
        section="Memory",
        choices=lambda: ["Automatic", *memory_modes.names()],
        hint="Automatic: fp16 on a graphics card, fp32 on the processor.",
    )
)


def choose_mode(device: str) -> str:
    """The mode for a kind of device: "cuda", "mps" or "cpu"."""
    return "fp16" if device.startswith(("cuda", "mps")) else "fp32"


def resolve_mode(settings: Settings) -> str:
    """The mode the settings ask for, or the device's own."""
    wish = settings[MEMORY_MODE]
    return choose_mode(device_name()) if wish == "Automatic" else memory_modes.canonical(wish)
