"""The command line: A1111's flags by their old names, and a few of our own. Standard library only."""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modules.core.paths import ROOT, Paths

Login = tuple[str, str]  # user, password; a password may contain ":"

UI_PORT = 7860
API_PORT = 7861

# Folders of one kind: flag -> (Paths.extra key, help).
FOLDERS = {
    "--vae-dir": ("vae", "folder with VAE files"),
    "--lora-dir": ("lora", "folder with LoRA files"),
    "--embeddings-dir": ("embeddings", "folder with textual inversion embeddings"),
    "--upscaler-dir": ("upscaler", "folder with upscaler models"),
    "--localizations-dir": ("localizations", "folder with page translations"),
    "--textual-inversion-templates-dir": ("templates", "folder with training templates"),
}
FOLDER_ALIASES = (
    "--esrgan-models-path",
    "--bsrgan-models-path",
    "--realesrgan-models-path",
    "--dat-models-path",
)

# Accepted because start scripts of other programs carry them; each is told once at start.
NO_OPS = {
    "--xformers": "PyTorch's own attention is always used",
    "--opt-sdp-attention": "PyTorch's own attention is always used",
    "--opt-sdp-no-mem-attention": "PyTorch's own attention is always used",
    "--force-enable-xformers": "PyTorch's own attention is always used",
    "--skip-python-version-check": "the version is always checked, in a microsecond",
    "--skip-version-check": "versions are pinned by requirements.txt",
    "--skip-prepare-environment": "use --skip-install",
    "--reinstall-torch": "delete ./venv instead",
    "--reinstall-xformers": "xformers is not used",
    "--no-download-sd-model": "no model is ever downloaded at start",
    "--do-not-download-clip": "the tokenizers come with the program",
    "--no-gradio-queue": "generation has its own queue",
    "--deepdanbooru": "",
    "--show-negative-prompt": "",
    "--always-batch-cond-uncond": "",
    "--unload-gfpgan": "",
    "--add-stop-route": "use --api-server-stop",
}
NO_OPS_WITH_VALUE = ("--max-batch-count", "--gradio-img2img-tool", "--gradio-inpaint-tool")

SECRETS = frozenset({"api_auth", "gradio_auth", "gradio_auth_path", "tls_keyfile"})


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Where the server listens and who may come in. `port` None takes 7860, or 7861 for the API alone; 0 a free one."""

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
    insecure_extensions: bool = False
    api_server_stop: bool = False
    gradio_allowed_paths: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModeOptions:
    """What is started."""

    api: bool = False
    nowebui: bool = False
    browser: bool = True
    safe_mode: bool = False
    reproduce: Path | None = None
    dump_sysinfo: bool = False
    test_server: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Wishes about memory and number formats; the automatic choice is used where they are silent."""

    use_cpu: bool = False
    device_id: str | None = None
    medvram: bool = False
    lowvram: bool = False
    no_half: bool = False
    no_half_vae: bool = False
    precision: str | None = None


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """How the page looks and what of it is frozen."""

    theme: str | None = None
    hide_ui_dir_config: bool = False
    freeze_settings: bool = False
    freeze_sections: tuple[str, ...] = ()
    freeze_keys: tuple[str, ...] = ()
    ui_debug_mode: bool = False
    textbox_seed: bool = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Start, queue, names, log."""

    queue_limit: int | None = None
    checkpoint: str | None = None
    preload_model: bool = True
    hashing: bool = True
    nan_check: bool = True
    filenames_max_length: int | None = None
    loglevel: str = "INFO"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, read once. `values` are all flags by their old names, for cmd-flags and extensions."""

    network: NetworkOptions = field(default_factory=NetworkOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    mode: ModeOptions = field(default_factory=ModeOptions)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    page: PageOptions = field(default_factory=PageOptions)
    run: RunOptions = field(default_factory=RunOptions)
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
        return {key: value for key, value in vars(self.values).items() if key not in SECRETS and not _is_path(key)}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # exits
        self.exit(2, f"{self.prog}: {message}\nSee `python launch.py --help`.\n")


def build_parser(prog: str = "launch.py") -> argparse.ArgumentParser:
    """All flags, grouped for --help."""
    parser = _Parser(prog=prog, allow_abbrev=False, description="Easel: a Stable Diffusion studio in the browser.")
    _add_start(parser.add_argument_group("start"))
    _add_network(parser.add_argument_group("network and access"))
    _add_files(parser.add_argument_group("folders and files"))
    _add_device(parser.add_argument_group("device and memory"))
    _add_page(parser.add_argument_group("page"))
    for flag in NO_OPS:
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    for flag in NO_OPS_WITH_VALUE:
        parser.add_argument(flag, default=None, help=argparse.SUPPRESS)
    return parser


def _add_start(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--test", action="store_true", help="run the test suite; what follows goes to pytest")
    add.add_argument("--api", action="store_true", help="serve the HTTP API beside the page")
    add.add_argument("--nowebui", action="store_true", help="serve the HTTP API alone")
    add.add_argument("--no-browser", action="store_true", help="do not open the browser")
    add.add_argument("--autolaunch", action="store_true", help="open the browser (the default)")
    add.add_argument("--no-venv", action="store_true", help="use this Python instead of ./venv")
    add.add_argument("--skip-install", action="store_true", help="install nothing, even when requirements.txt changed")
    add.add_argument("--exit", action="store_true", help="set everything up, then stop")
    add.add_argument("--skip-torch-cuda-test", action="store_true", help="accepted; the device is found by itself")
    add.add_argument("--safe-mode", action="store_true", help="start without extensions")
    add.add_argument("--disable-all-extensions", action="store_true", help="start without any extension")
    add.add_argument("--disable-extra-extensions", action="store_true", help="start with built-in extensions only")
    add.add_argument("--reproduce", type=Path, metavar="FILE", help="make a picture again from its own metadata")
    add.add_argument("--queue-limit", type=_positive, metavar="N", help="jobs that may wait at once")
    add.add_argument("--ckpt", metavar="NAME", help="checkpoint to start with: title, name or file")
    add.add_argument("--skip-load-model-at-start", action="store_true", help="load the model at the first picture")
    add.add_argument("--no-hashing", action="store_true", help="do not hash model files")
    add.add_argument("--disable-nan-check", action="store_true", help="do not look for NaNs")
    add.add_argument("--dump-sysinfo", action="store_true", help="write a system report and stop")
    add.add_argument("--test-server", action="store_true", help="settings for running tests against the server")
    add.add_argument("--log-startup", action="store_true", help="log how long each part of the start took")
    add.add_argument("--loglevel", default=os.environ.get("SD_WEBUI_LOG_LEVEL", "INFO"), type=str.upper)


def _add_network(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--host", "--server-name", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    add.add_argument("--listen", action="store_true", help="listen on every address; makes a login unless one is given")
    add.add_argument("--port", type=_port, help=f"port ({UI_PORT}; {API_PORT} with --nowebui; 0: a free one)")
    add.add_argument("--subpath", default="", help="path prefix when behind a proxy")
    add.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a name this server goes by")
    add.add_argument("--api-auth", metavar="USER:PASS[,...]", help="login for the API, or a file with one a line")
    add.add_argument("--gradio-auth", metavar="USER:PASS[,...]", help="login for the page")
    add.add_argument("--gradio-auth-path", metavar="FILE", help="file with logins for the page")
    add.add_argument("--allow-unauthenticated-listen", action="store_true", help="--listen without any login")
    add.add_argument("--cors-allow-origins", default="", metavar="ORIGINS", help="sites that may call this server")
    add.add_argument("--cors-allow-origins-regex", default="", metavar="REGEX")
    add.add_argument("--tls-keyfile", type=Path, metavar="FILE")
    add.add_argument("--tls-certfile", type=Path, metavar="FILE")
    add.add_argument("--disable-tls-verify", action="store_true", help="accepted; nothing is fetched over TLS")
    add.add_argument("--timeout-keep-alive", type=_positive, default=30, metavar="SECONDS")
    add.add_argument("--api-log", action="store_true", help="log every API call")
    add.add_argument("--api-server-stop", action="store_true", help="let the API stop the server")
    add.add_argument("--allow-pickle", action="store_true", help="load .ckpt and .pt files, weights only")
    add.add_argument("--disable-safe-unpickle", action="store_true", help=argparse.SUPPRESS)
    add.add_argument(
        "--enable-insecure-extension-access", action="store_true", help="extensions may be installed remotely"
    )
    add.add_argument("--gradio-allowed-path", action="append", default=[], type=Path, metavar="FOLDER")


def _add_files(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--data-dir", type=Path, default=ROOT, help="outputs, settings and queue")
    add.add_argument("--models-dir", type=Path, help="model folders (DATA/models)")
    add.add_argument("--ckpt-dir", action="append", type=Path, default=[], help="more checkpoints; may repeat")
    for flag, (_, text) in FOLDERS.items():
        add.add_argument(flag, type=Path, help=text)
    add.add_argument("--vae-path", type=Path, help="VAE file to use")
    for flag in FOLDER_ALIASES:
        add.add_argument(flag, type=Path, dest="upscaler_dir", help=argparse.SUPPRESS)
    add.add_argument("--ui-settings-file", type=Path, help="settings file (DATA/config.json)")
    add.add_argument("--ui-config-file", type=Path, help="page defaults file")
    add.add_argument("--styles-file", action="append", type=Path, default=[], help="styles file; may repeat")
    add.add_argument("--unix-filenames-sanitization", action="store_true", help="only drop what Unix forbids in names")
    add.add_argument("--filenames-max-length", type=_positive, metavar="N")


def _add_device(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--use-cpu", nargs="*", metavar="PART", help="run on the CPU")
    add.add_argument("--device-id", metavar="N", help="the GPU to use")
    add.add_argument("--medvram", action="store_true", help="keep only the part at work on the GPU")
    add.add_argument("--medvram-sdxl", action="store_true", help="--medvram for SDXL only")
    add.add_argument("--lowvram", action="store_true", help="keep only the layer at work on the GPU")
    add.add_argument("--lowram", action="store_true", help="load weights straight to the GPU")
    add.add_argument("--no-half", action="store_true", help="full precision")
    add.add_argument("--no-half-vae", action="store_true", help="full precision for the VAE")
    add.add_argument("--upcast-sampling", action="store_true", help="accepted; precision is chosen by itself")
    add.add_argument("--precision", choices=("full", "half", "autocast"))


def _add_page(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--theme", choices=("light", "dark"))
    add.add_argument("--freeze-settings", action="store_true", help="no setting can be changed")
    add.add_argument("--freeze-settings-in-sections", default="", metavar="A,B")
    add.add_argument("--freeze-specific-settings", default="", metavar="A,B")
    add.add_argument("--hide-ui-dir-config", action="store_true", help="no folder settings on the page")
    add.add_argument("--ui-debug-mode", action="store_true", help="the page without a model")
    add.add_argument("--use-textbox-seed", action="store_true")
    add.add_argument("--no-prompt-history", action="store_true")
    add.add_argument("--no-progressbar-hiding", action="store_true")
    add.add_argument("--gradio-debug", action="store_true")
    add.add_argument("--disable-console-progressbars", action="store_true")
    add.add_argument("--enable-console-prompts", action="store_true")


def parse_options(arguments: Sequence[str] | None = None, *, prog: str = "launch.py") -> Options:
    """Read the command line, COMMANDLINE_ARGS first. An unknown flag ends the program with the nearest known one."""
    given = shlex.split(os.environ.get("COMMANDLINE_ARGS", "")) + list(arguments or [])
    parser = build_parser(prog)
    values, unknown = parser.parse_known_args(given)
    if unknown and not os.environ.get("IGNORE_CMD_ARGS_ERRORS"):
        parser.error(_unknown(parser, unknown[0]))
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
    return Paths(data=data, models=models, extra_checkpoints=checkpoints, extra=extra)


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
    split = [
        tuple(one.strip() for one in text.split(",") if one.strip())
        for text in (values.cors_allow_origins, values.freeze_settings_in_sections, values.freeze_specific_settings)
    ]
    return Options(
        network=NetworkOptions(
            host=values.host,
            listen=values.listen,
            port=values.port,
            subpath=values.subpath,
            cors_origins=split[0],
            cors_origin_regex=values.cors_allow_origins_regex,
            tls_keyfile=values.tls_keyfile,
            tls_certfile=values.tls_certfile,
            timeout_keep_alive_s=values.timeout_keep_alive,
            allowed_hosts=tuple(values.allow_host),
        ),
        access=AccessOptions(
            api_auth=read_logins(values.api_auth),
            gradio_auth=read_logins(values.gradio_auth) + read_logins(values.gradio_auth_path),
            allow_unauthenticated_listen=values.allow_unauthenticated_listen,
            allow_pickle=values.allow_pickle or values.disable_safe_unpickle,
            insecure_extensions=values.enable_insecure_extension_access,
            api_server_stop=values.api_server_stop,
            gradio_allowed_paths=tuple(values.gradio_allowed_path),
        ),
        mode=ModeOptions(
            api=values.api or values.nowebui,
            nowebui=values.nowebui,
            browser=not values.no_browser,
            safe_mode=values.safe_mode or values.disable_all_extensions,
            reproduce=values.reproduce,
            dump_sysinfo=values.dump_sysinfo,
            test_server=values.test_server,
        ),
        device=DeviceOptions(
            use_cpu=values.use_cpu is not None,
            device_id=values.device_id,
            medvram=values.medvram,
            lowvram=values.lowvram,
            no_half=values.no_half,
            no_half_vae=values.no_half_vae,
            precision=values.precision,
        ),
        page=PageOptions(
            theme=values.theme,
            hide_ui_dir_config=values.hide_ui_dir_config,
            freeze_settings=values.freeze_settings,
            freeze_sections=split[1],
            freeze_keys=split[2],
            ui_debug_mode=values.ui_debug_mode,
            textbox_seed=values.use_textbox_seed,
        ),
        run=RunOptions(
            queue_limit=values.queue_limit,
            checkpoint=values.ckpt,
            preload_model=not (values.skip_load_model_at_start or values.ui_debug_mode),
            hashing=not values.no_hashing,
            nan_check=not values.disable_nan_check,
            filenames_max_length=values.filenames_max_length,
            loglevel=values.loglevel,
        ),
        values=values,
        notes=tuple(_notes(given)),
    )


def _notes(given: Sequence[str]) -> list[str]:
    flags = [one.split("=", 1)[0] for one in given]
    return [
        f"{flag} has no effect here{f': {NO_OPS[flag]}' if NO_OPS.get(flag) else ''}."
        for flag in dict.fromkeys(flags)
        if flag in NO_OPS or flag in NO_OPS_WITH_VALUE
    ]


def _unknown(parser: argparse.ArgumentParser, flag: str) -> str:
    known = [name for action in parser._actions for name in action.option_strings]
    close = difflib.get_close_matches(flag.split("=", 1)[0], known, n=1, cutoff=0.6)
    return f"unknown argument {flag}." + (f" Did you mean {close[0]}?" if close else "")


def _is_path(key: str) -> bool:
    return key.endswith(("_dir", "_path", "_file", "_keyfile", "_certfile")) or key in ("reproduce", "ckpt")


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; 0 to 65535 are.")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1.")
    return number
