from __future__ import annotations

from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.core.files import inside, write_atomic


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "link/x", "a/b/../../.."])
def test_outside_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="outside"):
        inside(root, name)


@pytest.mark.parametrize("name", ["x", "a/../x", "a b/ü.png", "..x"])
def test_inside_is_the_real_path(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, name) == (tmp_path / name).resolve()


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")

    def fail(*names: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no"):
        write_atomic(path, "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("file", "old")]
