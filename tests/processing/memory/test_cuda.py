from __future__ import annotations

import subprocess
import sys

import pytest

from modules.processing.memory.cuda import cuda_memory, cuda_report


def test_counts_take_a1111s_places() -> None:
    counted = ("active_bytes", "allocated_bytes", "reserved_bytes", "inactive_split_bytes")
    stats = {
        f"{name}.all.{when}": 10 * k + (when == "peak")
        for k, name in enumerate(counted)
        for when in ("current", "peak")
    }
    assert cuda_report(free=30, total=100, stats={**stats, "num_alloc_retries": 3, "num_ooms": 1}) == {
        "system": {"free": 30, "used": 70, "total": 100},
        "active": {"current": 0, "peak": 1},
        "allocated": {"current": 10, "peak": 11},
        "reserved": {"current": 20, "peak": 21},
        "inactive": {"current": 30, "peak": 31},
        "events": {"retries": 3, "oom": 1},
    }
    assert cuda_report(free=1, total=1, stats={})["allocated"] == {"current": 0, "peak": 0}, "nothing counted yet"


def test_without_cuda_the_reason_is_told_and_torch_is_not_imported() -> None:
    code = (
        "import sys; from modules.processing.memory.device import use_device; use_device('cpu'); "
        "from modules.processing.memory.cuda import cuda_memory; print(cuda_memory(), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "{'error': 'Easel runs on cpu, not on a CUDA device.'} False\n"


@pytest.mark.gpu
def test_an_allocation_is_counted() -> None:
    import torch

    before = cuda_memory()["allocated"]["current"]
    held = torch.empty(2**20, dtype=torch.uint8, device="cuda")
    after = cuda_memory()
    assert after["allocated"]["current"] - before == held.numel()
    assert 0 < after["system"]["used"] < after["system"]["total"]
