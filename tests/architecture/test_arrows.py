"""Who may import whom: every import statement of every file, those inside functions too, against one table."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORK = {"processing", "training", "lab", "compression"}
BASE = {"core", "imaging", "prompting"}
MAY_SEE: dict[str, set[str]] = {
    "core": set(),
    "imaging": {"core"},
    "prompting": {"core"},
    "processing": BASE,
    "training": BASE | {"processing"},
    "lab": BASE | {"processing"},
    "compression": BASE | {"processing"},
    "jobs": BASE | WORK,
    "gallery": {"core", "imaging"},
    "extension_host": {"core", "processing"},
    "api": BASE | WORK | {"jobs", "gallery", "extension_host"},
    "gradio_ui": BASE | WORK | {"jobs", "gallery", "extension_host"},
    "a1111": BASE | WORK | {"jobs", "gallery", "extension_host", "api", "gradio_ui"},
}
HEAVY = {"torch", "diffusers", "transformers", "peft", "accelerate"}
OUTSIDE = {
    **{name: WORK | {"a1111"} for name in HEAVY},
    "gradio": {"gradio_ui", "a1111"},
    "fastapi": {"api", "a1111"},
}
FILES = sorted((ROOT / "modules").rglob("*.py"))


def package_of(file: Path) -> str:
    return file.relative_to(ROOT / "modules").parts[0]


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import; `from modules import api` counts as modules.api."""
    folder = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join((*folder[: len(folder) - node.level + 1], node.module or "")) if node.level else node.module
            yield from ((node.lineno, f"{base}.{one.name}") for one in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_import":
            yield node.lineno, str(getattr(node.args[0], "value", ""))


def wrong_imports(file: Path) -> list[str]:
    package, wrong = package_of(file), []
    for line, name in imports_of(file):
        parts = name.split(".")
        if parts[0] == "modules" and len(parts) > 1:
            allowed = parts[1] == package or parts[1] in MAY_SEE[package]
        else:
            allowed = parts[0] not in OUTSIDE or package in OUTSIDE[parts[0]]
        if package == "core" and parts[0] not in {"modules", "__future__"}:
            allowed = parts[0] in sys.stdlib_module_names
        if not allowed:
            wrong.append(f"{file.relative_to(ROOT)}:{line} imports {name}")
    return wrong


def test_every_import_follows_the_table() -> None:
    assert len(FILES) > 40
    wrong = [line for file in FILES if package_of(file) != "__init__.py" for line in wrong_imports(file)]
    assert not wrong, "\n".join(wrong)


def run_fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=280)


# One interpreter imports each module with none of ours loaded: what is foreign, and slow, stays.
LONELY = """
import sys, importlib, traceback
sys.path.insert(0, ".")
failed = 0
for name in {names!r}:
    for loaded in [one for one in sys.modules if one.split(".")[0] == "modules"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException:
        print(name, traceback.format_exc(limit=-2), flush=True)
        failed = 1
sys.exit(failed)
"""


def test_each_module_imports_alone() -> None:
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in FILES]
    names = [name for name in names if not name.endswith("__main__")]
    told = run_fresh(LONELY.format(names=names))
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    "module",
    ["webui", "modules.gradio_ui.app", "modules.api.app", "modules.processing.engine", "modules.jobs.train"],
)
def test_what_serves_the_page_imports_no_torch(module: str) -> None:
    told = run_fresh(f"import sys, {module}; print(sorted(set(sys.modules) & {HEAVY!r}))")
    assert told.stdout.strip() == "[]", told.stdout + told.stderr


def test_every_setting_exists_before_the_first_picture() -> None:
    """A setting that is declared in a module nobody has imported yet could be neither seen nor changed."""
    owners = [file for file in FILES if "define(\n" in file.read_text("utf-8") and package_of(file) != "core"]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in owners]
    assert len(names) > 8
    serve = "modules.api.routes.sdapi_txt2img, modules.gradio_ui.app, modules.jobs.queue, modules.processing.engine"
    told = run_fresh(f"import sys, {serve}; print(sorted(set({names!r}) - set(sys.modules)))")
    assert told.stdout.strip() == "[]", told.stdout + told.stderr


def test_help_imports_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", str(ROOT / "launch.py"), "--help"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    seen = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in told.stderr.splitlines() if "|" in line}
    assert "argparse" in seen
    assert not seen & (HEAVY | {"gradio", "fastapi", "numpy"})
