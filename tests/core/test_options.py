from __future__ import annotations

from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.core.options import Options, parse_options, paths_from, read_logins


@pytest.mark.parametrize(
    ("flags", "port"),
    [([], 7860), (["--nowebui"], 7861), (["--port", "0"], 0), (["--nowebui", "--port", "9000"], 9000)],
)
def test_ports(flags: list[str], port: int) -> None:
    assert parse_options(flags).port == port


def test_only_listen_or_a_host_leaves_the_loopback() -> None:
    assert parse_options([]).host == "127.0.0.1"
    assert parse_options([]).loopback
    assert not parse_options(["--listen"]).loopback
    assert parse_options(["--host", "192.168.1.2"]).host == "192.168.1.2"
    assert parse_options(["--server-name", "192.168.1.2"]).host == "192.168.1.2"


@pytest.mark.parametrize(
    "flags", [["--por", "1"], ["--apii"], ["--port", "70000"], ["--port", "x"], ["stray"], ["--loglevel", "loud"]]
)
def test_wrong_flags_end_the_program(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse_options(flags)
    assert stopped.value.code == 2
    assert capsys.readouterr().err


def test_flags_without_effect_are_told() -> None:
    notes = parse_options(["--xformers", "--max-batch-count", "4", "--api"]).notes
    assert [note.split()[0] for note in notes] == ["--xformers", "--max-batch-count"]


def test_the_environment_adds_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMANDLINE_ARGS", "--api --port 9001")
    options = parse_options(["--port", "9002"])
    assert options.mode.api
    assert options.port == 9002


def test_logins_may_have_colons_and_come_from_files(tmp_path: Path) -> None:
    assert read_logins("ann:a:b,bob:c") == (("ann", "a:b"), ("bob", "c"))
    file = tmp_path / "logins"
    file.write_text("# ours\nann:a,b\n\nbob:ü:\n", "utf-8")
    assert read_logins(str(file)) == (("ann", "a,b"), ("bob", "ü:"))


@pytest.mark.parametrize("text", ["ann", ":x", "ann:", "ann:x,bob"])
def test_a_login_that_cannot_be_is_refused_without_being_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--api-auth", text])
    assert text not in capsys.readouterr().err.replace("user:password", "")


def test_secrets_and_paths_are_in_no_public_value(tmp_path: Path) -> None:
    flags = ["--api-auth", "ann:canary1", "--gradio-auth", "bob:canary2", "--data-dir", str(tmp_path / "canary3")]
    flags += ["--ckpt-dir", "/canary4", "--tls-keyfile", "/canary5", "--styles-file", "/canary6", "--ckpt", "/canary7"]
    flags += ["--gradio-allowed-path", "/canary8", "--reproduce", "/canary9", "--lora-dir", "/canaryA"]
    flags += ["--tls-certfile", "/canaryB", "--vae-path", "/canaryC", "--ui-config-file", "/canaryD"]
    options = parse_options(flags)
    assert "canary" not in repr(options.public_values())
    assert "canary1" not in repr(options)
    assert "canary2" not in repr(options)


def test_folders_follow_the_flags(tmp_path: Path) -> None:
    flags = ["--data-dir", str(tmp_path), "--ckpt-dir", "/a", "--ckpt-dir", "/b", "--vae-dir", "/v"]
    paths = paths_from(parse_options(flags))
    assert paths.models == tmp_path / "models"
    assert paths.outputs == tmp_path / "outputs"
    assert [str(one) for one in paths.extra_checkpoints] == ["/a", "/b"]
    assert paths.vaes[0] == Path("/v")
    assert paths_from(parse_options(["--models-dir", "/m"])).models == Path("/m")


@pytest.mark.parametrize(
    ("flags", "mode"),
    [
        ([], None),
        (["--no-half"], "fp32"),
        (["--precision", "full"], "fp32"),
        (["--precision", "half"], "fp16"),
        (["--precision", "autocast"], None),
    ],
)
def test_precision_by_its_old_names(flags: list[str], mode: str | None) -> None:
    assert parse_options(flags).device.memory_mode == mode


@pytest.mark.parametrize(
    ("flags", "on_cpu", "told"),
    [
        ([], False, False),
        (["--use-cpu"], True, False),
        (["--use-cpu", "all"], True, False),
        (["--use-cpu", "gfpgan", "sd"], True, False),
        (["--use-cpu", "vae", "interrogate"], False, True),
    ],
)
def test_only_the_whole_model_moves_to_the_cpu(flags: list[str], on_cpu: bool, told: bool) -> None:
    options = parse_options(flags)
    assert options.device.use_cpu == on_cpu
    assert any("--use-cpu all" in note for note in options.notes) == told


def test_a_server_for_tests_is_short_for_four_flags() -> None:
    def groups(options: Options) -> tuple[object, ...]:
        return options.network, options.access, options.mode, options.device, options.page, options.run, options.log

    long = parse_options(["--api", "--no-browser", "--ckpt", "easel-mini"])
    assert groups(parse_options(["--test-server"])) == groups(long)
    assert parse_options(["--test-server", "--ckpt", "mine"]).run.checkpoint == "mine"


def test_styles_files_are_named_or_found_by_pattern(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "notes.txt"):
        (tmp_path / name).touch()
    given = ["--styles-file", str(tmp_path / "new.csv"), "--styles-file", str(tmp_path / "*.csv")]
    assert [one.name for one in paths_from(parse_options(given)).styles] == ["new.csv", "a.csv", "b.csv"]
    assert paths_from(parse_options(["--data-dir", str(tmp_path)])).styles == (tmp_path / "styles.csv",)
    with pytest.raises(UserError, match="--styles-file"):
        paths_from(parse_options(["--styles-file", str(tmp_path / "*.ini")]))


def test_a_vae_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--vae-path.*gone\.safetensors"):
        paths_from(parse_options(["--vae-path", str(tmp_path / "gone.safetensors")]))
