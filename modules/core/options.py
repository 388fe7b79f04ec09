"""What the command line asks for, in typed groups. The flags themselves are in modules.core.flags."""

from __future__ import annotations

import argparse
import glob
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modules.core.errors import UserError
from modules.core.flags import API_PORT, FOLDERS, NO_OPS, NO_OPS_WITH_VALUE, UI_PORT, build_parser, unknown_flag
from modules.core.paths import Paths

Login = tuple[str, str]  # user, password; a password may contain ":"

SECRETS = frozenset({"api_auth", "gradio_auth"})
WHOLE_MODEL = frozenset({"all", "sd"})  # parts that --use-cpu may name and that mean the model itself
MODES: dict[str | None, Literal["fp32", "fp16"]] = {"full": "fp32", "half": "fp16"}
TEST_CHECKPOINT = "easel-mini"


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Where the server listens and who may come in. `port` None takes 7860, or 7861 for the API alone; 0 a free one.

    `subpath` begins with a slash and does not end in one, or is empty.
    """

    host: str | None = None
    listen: bool = False
    port: int | None = None
    subpath: str = ""
    cors_origins: tuple[str, ...] = ()
    cors_origin_regex: str = ""
    tls_keyfile: Path | None = None
    tls_certfile: Path | None = None
    timeout_keep_alive_s: int = 30
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccessOptions:
    """Logins and switches that widen what a visitor may do. `api_auth`, `gradio_auth`: user and password pairs."""

    api_auth: tuple[Login, ...] = field(default=(), repr=False)
    gradio_auth: tuple[Login, ...] = field(default=(), repr=False)
    allow_unauthenticated_listen: bool = False
    allow_pickle: bool = False
    api_server_stop: bool = False
    gradio_allowed_paths: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModeOptions:
    """What is started."""

    api: bool = False
    nowebui: bool = False
    browser: bool = True
    reproduce: Path | None = None
    dump_sysinfo: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where and how precisely models run; the automatic choice is made where they are silent."""

    use_cpu: bool = False
    device_id: str | None = None
    memory_mode: Literal["fp32", "fp16"] | None = None


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """How the page looks at first, and which settings nobody may change."""

    theme: str | None = None
    hide_ui_dir_config: bool = False
    freeze_settings: bool = False
    freeze_sections: tuple[str, ...] = ()
    freeze_keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The queue and the model at start."""

    queue_limit: int | None = None
    checkpoint: str | None = None
    preload_model: bool = True
    hashing: bool = True
    nan_check: bool = True


@dataclass(frozen=True, kw_only=True)
class SavingOptions:
    """How files are named, and whether params.txt is written."""

    filenames_max_length: int | None = None
    unix_filenames: bool = False
    prompt_history: bool = True


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What the log tells."""

    level: str = "INFO"
    startup: bool = False
    api_calls: bool = False
    prompts: bool = False


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, read once. `values` are all flags by their old names, for cmd-flags and extensions."""

    network: NetworkOptions = field(default_factory=NetworkOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    mode: ModeOptions = field(default_factory=ModeOptions)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    page: PageOptions = field(default_factory=PageOptions)
    run: RunOptions = field(default_factory=RunOptions)
    saving: SavingOptions = field(default_factory=SavingOptions)
    log: LogOptions = field(default_factory=LogOptions)
    values: argparse.Namespace = field(default_factory=argparse.Namespace, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def port(self) -> int:
        if self.network.port is not None:
            return self.network.port
        return API_PORT if self.mode.nowebui else UI_PORT

    @property
    def host(self) -> str:
        return self.network.host or ("0.0.0.0" if self.network.listen else "127.0.0.1")  # noqa: S104  asked for

    @property
    def loopback(self) -> bool:
        return self.host in ("127.0.0.1", "localhost", "::1")

    def public_values(self) -> dict[str, object]:
        """Flags that may be shown to a visitor: no secret and no path."""
        hidden = {name for name, value in vars(self.values).items() if name in SECRETS or _is_path(name, value)}
        return {name: value for name, value in vars(self.values).items() if name not in hidden}


def parse_options(arguments: Sequence[str] | None = None, *, prog: str = "launch.py") -> Options:
    """Read the command line, COMMANDLINE_ARGS first. An unknown flag ends the program with the nearest known one."""
    given = shlex.split(os.environ.get("COMMANDLINE_ARGS", "")) + list(arguments or [])
    parser = build_parser(prog)
    values, unknown = parser.parse_known_args(given)
    if unknown and not os.environ.get("IGNORE_CMD_ARGS_ERRORS"):
        parser.error(unknown_flag(parser, unknown[0]))
    try:
        return _options(values, given)
    except (OSError, ValueError) as error:
        parser.error(str(error))
        raise  # not reached: error() exits


def paths_from(options: Options) -> Paths:
    """The folders that the command line asks for."""
    values = options.values
    data = values.data_dir.expanduser().resolve()
    models = (values.models_dir or data / "models").expanduser().resolve()
    extra = {}
    for flag, (kind, _) in FOLDERS.items():
        folder = getattr(values, _name(flag))
        if folder is not None:
            extra[kind] = folder.expanduser().resolve()
    if values.ui_settings_file is not None:
        extra["config"] = values.ui_settings_file.expanduser().resolve()
    checkpoints = tuple(one.expanduser().resolve() for one in values.ckpt_dir)
    return Paths(
        data=data,
        models=models,
        extra_checkpoints=checkpoints,
        extra=extra,
        vae_for_all=_existing_vae(values.vae_path),
        styles_files=tuple(path for pattern in values.styles_file for path in _matching(pattern)),
    )


def read_logins(text: str | None) -> tuple[Login, ...]:
    """Logins of "user:pass,user2:pass2", or of the file of that name (one a line or comma, # comments).

    A password may contain ":"; one that contains "," must come from a file of one login a line.
    """
    if not text:
        return ()
    path = Path(text)
    lines = text.split(",")
    if ":" not in text or (len(text) < 255 and path.is_file()):
        if not path.is_file():
            raise ValueError("A login is written user:password, or names a file that exists.")
        lines = path.read_text("utf-8").splitlines()
    found = []
    for line in lines:
        entry = line.strip()
        if not entry or (len(lines) > 1 and entry.startswith("#")):
            continue
        user, colon, password = entry.partition(":")
        if not colon or not user or not password:
            raise ValueError("A login is written user:password; one of those given is not.")  # never echoed: a secret
        found.append((user, password))
    return tuple(found)


def _options(values: argparse.Namespace, given: Sequence[str]) -> Options:
    return Options(
        network=_network(values),
        access=_access(values),
        mode=ModeOptions(
            api=values.api or values.nowebui or values.test_server,
            nowebui=values.nowebui,
            browser=not (values.no_browser or values.test_server),
            reproduce=values.reproduce,
            dump_sysinfo=values.dump_sysinfo,
        ),
        device=DeviceOptions(
            use_cpu=values.use_cpu is not None and (not values.use_cpu or bool(WHOLE_MODEL & set(values.use_cpu))),
            device_id=values.device_id,
            memory_mode="fp32" if values.no_half else MODES.get(values.precision),
        ),
        page=PageOptions(
            theme=values.theme,
            hide_ui_dir_config=values.hide_ui_dir_config,
            freeze_settings=values.freeze_settings,
            freeze_sections=_listed(values.freeze_settings_in_sections),
            freeze_keys=_listed(values.freeze_specific_settings),
        ),
        run=RunOptions(
            queue_limit=values.queue_limit,
            checkpoint=values.ckpt or (TEST_CHECKPOINT if values.test_server else None),
            preload_model=not (values.skip_load_model_at_start or values.ui_debug_mode),
            hashing=not values.no_hashing,
            nan_check=not values.disable_nan_check,
        ),
        saving=SavingOptions(
            filenames_max_length=values.filenames_max_length,
            unix_filenames=values.unix_filenames_sanitization,
            prompt_history=not values.no_prompt_history,
        ),
        log=LogOptions(
            level=values.loglevel,
            startup=values.log_startup,
            api_calls=values.api_log,
            prompts=values.enable_console_prompts,
        ),
        values=values,
        notes=tuple(_notes(values, given)),
    )


def _network(values: argparse.Namespace) -> NetworkOptions:
    try:
        re.compile(values.cors_allow_origins_regex)
    except re.error as error:
        told = f"{values.cors_allow_origins_regex!r} is not a regular expression: {error}"
        raise ValueError(f"--cors-allow-origins-regex: {told}.") from error
    if values.tls_keyfile and not values.tls_certfile:
        raise ValueError("--tls-keyfile needs --tls-certfile, the certificate that the key belongs to.")
    return NetworkOptions(
        host=values.host,
        listen=values.listen,
        port=values.port,
        subpath=f"/{bare}" if (bare := values.subpath.strip("/")) else "",
        cors_origins=_listed(values.cors_allow_origins),
        cors_origin_regex=values.cors_allow_origins_regex,
        tls_keyfile=values.tls_keyfile,
        tls_certfile=values.tls_certfile,
        timeout_keep_alive_s=values.timeout_keep_alive,
        allowed_hosts=tuple(values.allow_host),
    )


def _access(values: argparse.Namespace) -> AccessOptions:
    return AccessOptions(
        api_auth=read_logins(values.api_auth),
        gradio_auth=read_logins(values.gradio_auth) + read_logins(values.gradio_auth_path),
        allow_unauthenticated_listen=values.allow_unauthenticated_listen,
        allow_pickle=values.allow_pickle or values.disable_safe_unpickle,
        api_server_stop=values.api_server_stop,
        gradio_allowed_paths=tuple(one.expanduser().resolve() for one in values.gradio_allowed_path),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _notes(values: argparse.Namespace, given: Sequence[str]) -> list[str]:
    reasons = {**NO_OPS, **NO_OPS_WITH_VALUE}
    flags = dict.fromkeys(one.split("=", 1)[0] for one in given)
    notes = [f"{flag} has no effect: {reasons[flag]}." for flag in flags if flag in reasons]
    if values.use_cpu and not WHOLE_MODEL & set(values.use_cpu):
        parts = " ".join(values.use_cpu)
        notes.append(f"--use-cpu {parts} has no effect: a model runs on one device. --use-cpu all puts it on the CPU.")
    return notes


def _existing_vae(path: Path | None) -> Path | None:
    if path is None:
        return None
    found = path.expanduser().resolve()
    if not found.exists():
        raise UserError(f"--vae-path: there is no file {path}.", hint="Give the whole path of a VAE.")
    return found


def _matching(pattern: Path) -> list[Path]:
    """A plain path as it is: the file may be made later. A pattern must find something."""
    whole = str(pattern.expanduser().absolute())
    if not glob.has_magic(whole):
        return [Path(whole)]
    found = sorted(glob.glob(whole, recursive=True))
    if not found:
        raise UserError(f"--styles-file: no file is named like {pattern}.", hint="Name a file, or quote the pattern.")
    return [Path(one) for one in found]


def _is_path(name: str, value: object) -> bool:
    named = name.endswith(("_dir", "_path", "_file", "_keyfile", "_certfile")) or name == "ckpt"
    held = value if isinstance(value, list) else [value]
    return named or any(isinstance(one, Path) for one in held)


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
