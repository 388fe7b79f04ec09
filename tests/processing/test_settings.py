"""All settings are known once the engine is there, so that the API and the settings file can name each of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import importlib, sys
import modules.processing.engine, modules.jobs.queue
from modules.core.settings import setting_registry
known = set(setting_registry.names())
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(set(setting_registry.names()) - known))
"""


def test_no_setting_appears_late() -> None:
    folders = [ROOT / "modules" / name for name in ("imaging", "prompting", "processing", "jobs")]
    files = [one for folder in folders for one in folder.rglob("*.py") if "define(" in one.read_text("utf-8")]
    names = [".".join(one.relative_to(ROOT).with_suffix("").parts) for one in files]
    assert "modules.imaging.saving" in names
    names = [name.removesuffix(".__init__") for name in names]
    told = subprocess.run([sys.executable, "-c", CODE, *names], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert told.stdout.split() == [], told.stderr
    assert told.returncode == 0, told.stderr
