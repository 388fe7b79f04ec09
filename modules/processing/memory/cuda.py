"""The CUDA device's memory as PyTorch counts it, in the shape of A1111's API. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from modules.processing.memory.device import device_name, select_device

POOLS = {
    "active": "active_bytes",
    "allocated": "allocated_bytes",
    "reserved": "reserved_bytes",
    "inactive": "inactive_split_bytes",
}


def cuda_memory() -> dict[str, Any]:
    """{system, active, allocated, reserved, inactive, events} in bytes, or {error} that says why there is nothing."""
    if not device_name().startswith("cuda"):
        return {"error": f"Easel runs on {device_name()}, not on a CUDA device."}
    torch = sys.modules.get("torch")
    if torch is None:
        return {"error": "PyTorch is not loaded yet, so no CUDA memory is used."}
    device = select_device()
    free, total = torch.cuda.mem_get_info(device)
    return cuda_report(free, total, torch.cuda.memory_stats(device))


def cuda_report(free: int, total: int, stats: Mapping[str, int]) -> dict[str, Any]:
    """`stats`: of torch.cuda.memory_stats; what is not in it was never counted, so it is 0."""
    pools = {
        name: {when: stats.get(f"{counted}.all.{when}", 0) for when in ("current", "peak")}
        for name, counted in POOLS.items()
    }
    events = {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)}
    return {"system": {"free": free, "used": total - free, "total": total}, **pools, "events": events}
