"""Every flag does something, or says at start why not.

Each flag is given alone; what it changes in Options and Paths is compared with what the rest of the program reads
there, found in the syntax trees of its files. A flag that changes nothing, or nothing that is read, fails.
"""

from __future__ import annotations

import argparse
import ast
from dataclasses import fields
from pathlib import Path

import pytest

from modules.core.flags import FOLDERS, NO_OPS, NO_OPS_WITH_VALUE, build_parser
from modules.core.options import Options, parse_options, paths_from
from modules.core.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
OWN = {ROOT / "modules" / "core" / f"{name}.py" for name in ("flags", "options", "paths")}
FILES = {*(ROOT / "modules").rglob("*.py"), ROOT / "webui.py", ROOT / "launch.py"} - OWN
GROUPS = [one.name for one in fields(Options) if one.name not in ("values", "notes")]
PROPERTIES = [name for name, value in vars(Paths).items() if isinstance(value, property)]
REASONS = {**NO_OPS, **NO_OPS_WITH_VALUE}
ACTIONS = {one.option_strings[0]: one for one in build_parser()._actions if one.dest != "help"}
WORKING = {flag: action for flag, action in ACTIONS.items() if flag not in REASONS}

Fact = tuple[str, str]  # ("network", "port"): options.network.port


def facts(options: Options) -> dict[Fact, object]:
    """Everything that other modules may read of a command line, by the two last names of the expression."""
    paths = paths_from(options)
    found: dict[Fact, object] = {("options", name): getattr(options, name) for name in ("host", "port", "loopback")}
    for group in GROUPS:
        of = getattr(options, group)
        found |= {(group, one.name): getattr(of, one.name) for one in fields(of)}
    found |= {("paths", name): getattr(paths, name) for name in (*PROPERTIES, "data", "models", "vae_for_all")}
    return found | {("values", name): value for name, value in vars(options.values).items()}


def read_facts() -> set[Fact]:
    """Each `a.b` and `x.a.b` of the program as (a, b)."""
    found = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                found.add((owner, node.attr))
    return found


def changed_by(given: list[str]) -> set[Fact]:
    before, after = facts(parse_options([])), facts(parse_options(given))
    return {name for name in before if before[name] != after[name]}


def example(action: argparse.Action, folder: Path) -> list[list[str]]:
    """Command lines that give the flag alone, with each kind of value that it takes."""
    flag = action.option_strings[0]
    if action.nargs == 0:
        return [[flag]]
    if action.choices:
        return [[flag, str(one)] for one in action.choices]
    logins = folder / "logins"
    logins.write_text("ann:secret")
    special = {"--loglevel": "DEBUG", "--use-cpu": "all", "--vae-path": str(logins)}
    number = action.type is not None and action.type is not Path
    plain = str(logins) if "auth" in flag or action.type is Path else "77" if number else "word"
    needed = (
        ["--tls-certfile", str(logins)] if flag == "--tls-keyfile" else []
    )  # a key without its certificate is refused
    return [[flag, special.get(flag, plain), *needed]]


@pytest.fixture(autouse=True)
def no_flags_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMMANDLINE_ARGS", "SD_WEBUI_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("flag", WORKING)
def test_what_a_flag_changes_is_read(flag: str, tmp_path: Path) -> None:
    if flag == "--test":  # launch.py looks for it before anything is parsed
        assert '"--test" in arguments' in (ROOT / "launch.py").read_text("utf-8")
        return
    changed = set().union(*(changed_by(given) for given in example(WORKING[flag], tmp_path)))
    used = changed & read_facts()
    assert used, f"{flag} changes {sorted(changed)}, and nobody reads that."


def test_a_flag_that_nobody_reads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: a folder known to the parser and to Paths, but read by nobody."""
    monkeypatch.setitem(FOLDERS, "--sculptures-dir", ("sculptures", "folder with sculptures"))
    changed = changed_by(["--sculptures-dir", "/x"])
    assert changed == {("values", "sculptures_dir")}
    assert not changed & read_facts()


@pytest.mark.parametrize("flag", REASONS)
def test_a_flag_without_effect_says_why_and_is_read_nowhere(flag: str) -> None:
    given = [flag, "x"] if flag in NO_OPS_WITH_VALUE else [flag]
    assert REASONS[flag]
    assert parse_options(given).notes == (f"{flag} has no effect: {REASONS[flag]}.",)
    changed = changed_by(given)
    assert changed == {("values", ACTIONS[flag].dest)}
    assert not changed & read_facts()
