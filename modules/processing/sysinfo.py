"""What a bug report needs to know of a machine: versions, device, memory, options, settings. No secret and no path."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from modules.core.options import Options
from modules.core.settings import Settings, setting_registry
from modules.core.version import VERSION
from modules.processing.memory import device_name, resolve_mode


def system_report(options: Options, settings: Settings, data: Path) -> dict[str, Any]:
    """Ready for JSON. Imports no torch: its version is read from its metadata."""
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(data if data.exists() else Path.cwd())
    packages = {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}
    return {
        "Version": VERSION,
        "Platform": platform.platform(),
        "Python": sys.version.split()[0],
        "Device": device_name(),
        "Memory mode": resolve_mode(settings),
        "Processors": os.cpu_count(),
        "Memory (bytes)": {"total": memory.total, "available": memory.available},
        "Disk (bytes)": {"total": disk.total, "free": disk.free},
        "Options": {
            name: value for name, value in options.public_values().items() if value not in (None, False, "", [])
        },
        "Settings": public_settings(settings),
        "Packages": dict(sorted(packages.items(), key=lambda one: one[0].casefold())),
    }


def public_settings(settings: Settings) -> dict[str, object]:
    """The settings that a person changed, without those of this machine's owner (folders, secrets)."""
    public = [one for one in setting_registry if one.scope != "admin"]
    return {one.key: settings[one] for one in public if settings[one] != one.default}
