"""The parser of the command line: A1111's flags by their old names, and a few of our own. Standard library only.

What the values mean is decided in modules.core.options.
"""

from __future__ import annotations

import argparse
import difflib
import os
from pathlib import Path

from modules.core.paths import ROOT

UI_PORT = 7860
API_PORT = 7861
MAX_NAME = 223  # bytes that a file name has for its text, less what is added around it
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# Folders of one kind: flag -> (Paths.extra key, help).
FOLDERS = {
    "--vae-dir": ("vae", "folder with VAE files"),
    "--embeddings-dir": ("embeddings", "folder with textual inversion embeddings"),
    "--lora-dir": ("lora", "folder with LoRA and its relatives"),
    "--lyco-dir-backcompat": ("lycoris", "a second folder with LoRA and its relatives"),
    "--gfpgan-models-path": ("gfpgan", "folder with the weights of GFPGAN"),
    "--codeformer-models-path": ("codeformer", "folder with the weights of CodeFormer"),
    "--upscaler-dir": ("upscaler", "folder with upscalers of any kind"),
    "--esrgan-models-path": ("esrgan", "folder with ESRGAN upscalers"),
    "--realesrgan-models-path": ("realesrgan", "folder with Real-ESRGAN upscalers"),
    "--bsrgan-models-path": ("bsrgan", "folder with BSRGAN upscalers"),
    "--dat-models-path": ("dat", "folder with DAT upscalers"),
    "--swinir-models-path": ("swinir", "folder with SwinIR upscalers"),
    "--scunet-models-path": ("scunet", "folder with ScuNET upscalers"),
}

_ATTENTION = "PyTorch's own attention is always used"
_OFFLOAD = "weights stay on the device that computes; choose a smaller precision in Settings > Memory"
_EXTENSIONS = "this version loads no extensions"
_NETWORKS = "this version reads no such files"
_OLD = "it does nothing in A1111 either"

# Accepted because start scripts of other programs carry them; each is told once at start, with the reason.
NO_OPS = {
    "--xformers": _ATTENTION,
    "--opt-sdp-attention": _ATTENTION,
    "--opt-sdp-no-mem-attention": _ATTENTION,
    "--force-enable-xformers": _ATTENTION,
    "--medvram": _OFFLOAD,
    "--medvram-sdxl": _OFFLOAD,
    "--lowvram": _OFFLOAD,
    "--lowram": "weights are always read straight to the device that computes",
    "--upcast-sampling": "sampling is always computed in fp32",
    "--no-half-vae": "fp16 keeps the VAE in fp32 already, and bf16 does not overflow",
    "--safe-mode": _EXTENSIONS,
    "--disable-all-extensions": _EXTENSIONS,
    "--disable-extra-extensions": _EXTENSIONS,
    "--enable-insecure-extension-access": _EXTENSIONS,
    "--autolaunch": "the browser opens unless --no-browser is given",
    "--share": "no tunnel is opened; --listen serves the local network",
    "--skip-torch-cuda-test": "there is no such test; the device is found by itself",
    "--skip-python-version-check": "the version is always checked, in a microsecond",
    "--skip-version-check": "versions are pinned by requirements.txt",
    "--skip-prepare-environment": "use --skip-install",
    "--reinstall-torch": "delete ./venv instead",
    "--reinstall-xformers": "xformers is not used",
    "--no-download-sd-model": "no model is ever downloaded at start",
    "--do-not-download-clip": "the tokenizers come with the program",
    "--disable-tls-verify": "nothing is fetched over TLS",
    "--no-gradio-queue": "generation has its own queue",
    "--gradio-debug": "--loglevel DEBUG tells more",
    "--no-progressbar-hiding": "the progress bar is part of the page",
    "--use-textbox-seed": "the seed's field keeps every digit",
    "--disable-console-progressbars": "the console shows no progress bars",
    "--deepdanbooru": _OLD,
    "--show-negative-prompt": _OLD,
    "--always-batch-cond-uncond": _OLD,
    "--unload-gfpgan": _OLD,
    "--add-stop-route": "use --api-server-stop",
}
NO_OPS_WITH_VALUE = {
    "--ui-config-file": "the page keeps what was typed by itself, in ui-state.json",
    "--textual-inversion-templates-dir": _NETWORKS,
    "--localizations-dir": "the page's languages come with the program",
    "--max-batch-count": _OLD,
    "--gradio-img2img-tool": _OLD,
    "--gradio-inpaint-tool": _OLD,
}


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
        parser.add_argument(flag, nargs="?", help=argparse.SUPPRESS)
    return parser


def _add_start(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--test", action="store_true", help="run the test suite; what follows goes to pytest")
    add.add_argument("--api", action="store_true", help="serve the HTTP API beside the page")
    add.add_argument("--nowebui", action="store_true", help="serve the HTTP API alone")
    add.add_argument("--no-browser", action="store_true", help="do not open the browser")
    add.add_argument("--no-venv", action="store_true", help="use this Python instead of ./venv")
    add.add_argument("--skip-install", action="store_true", help="install nothing, even when requirements.txt changed")
    add.add_argument("--exit", action="store_true", help="set everything up, then stop")
    add.add_argument("--reproduce", type=Path, metavar="FILE", help="make a picture again from its own metadata")
    add.add_argument("--queue-limit", type=_positive, metavar="N", help="jobs that may wait at once")
    add.add_argument("--ckpt", metavar="NAME", help="checkpoint to start with: title, name or file")
    add.add_argument("--skip-load-model-at-start", action="store_true", help="load the model at the first picture")
    add.add_argument("--no-hashing", action="store_true", help="do not hash model files")
    add.add_argument("--disable-nan-check", action="store_true", help="do not look for NaNs")
    add.add_argument("--dump-sysinfo", action="store_true", help="write a system report (JSON) and stop")
    add.add_argument("--test-server", action="store_true", help="for tests: --api --no-browser --ckpt easel-mini")
    add.add_argument("--log-startup", action="store_true", help="log how long each part of the start took")
    add.add_argument("--loglevel", default=os.environ.get("SD_WEBUI_LOG_LEVEL", "INFO"), type=_level, metavar="LEVEL")


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
    add.add_argument("--timeout-keep-alive", type=_positive, default=30, metavar="SECONDS")
    add.add_argument("--api-log", action="store_true", help="log every API call: method, path, status, time")
    add.add_argument("--api-server-stop", action="store_true", help="let the API stop and restart the server")
    add.add_argument("--allow-pickle", action="store_true", help="load .ckpt and .pt files, weights only")
    add.add_argument("--disable-safe-unpickle", action="store_true", help=argparse.SUPPRESS)
    add.add_argument(
        "--gradio-allowed-path",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder whose files every visitor may read; may repeat",
    )


def _add_files(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--data-dir", type=Path, default=ROOT, help="outputs, settings and queue")
    add.add_argument("--models-dir", type=Path, help="model folders (DATA/models)")
    add.add_argument("--ckpt-dir", action="append", type=Path, default=[], help="more checkpoints; may repeat")
    for flag, (_, text) in FOLDERS.items():
        add.add_argument(flag, type=Path, help=text)
    add.add_argument("--vae-path", type=Path, help="the VAE of every checkpoint, whatever the settings say")
    add.add_argument("--ui-settings-file", type=Path, help="settings file (DATA/config.json)")
    add.add_argument("--styles-file", action="append", type=Path, default=[], help="styles file or pattern; may repeat")
    add.add_argument("--unix-filenames-sanitization", action="store_true", help="only drop what Unix forbids in names")
    add.add_argument("--filenames-max-length", type=_name_length, metavar="N", help="characters of a file name at most")


def _add_device(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--use-cpu", nargs="*", metavar="PART", help="run on the CPU (all, sd)")
    add.add_argument("--device-id", metavar="N", help="the GPU to use")
    add.add_argument("--no-half", action="store_true", help="full precision")
    add.add_argument("--precision", choices=("full", "half", "autocast"), help="fp32, fp16, or as the device likes")


def _add_page(add: argparse._ArgumentGroup) -> None:
    add.add_argument("--theme", choices=("light", "dark"), help="how the page looks until it is switched")
    add.add_argument("--freeze-settings", action="store_true", help="no setting can be changed")
    add.add_argument("--freeze-settings-in-sections", default="", metavar="A,B", help="no setting of them")
    add.add_argument("--freeze-specific-settings", default="", metavar="A,B", help="none of these, by key")
    add.add_argument("--hide-ui-dir-config", action="store_true", help="no folder settings on the page")
    add.add_argument("--ui-debug-mode", action="store_true", help=argparse.SUPPRESS)
    add.add_argument("--no-prompt-history", action="store_true", help="do not write params.txt")
    add.add_argument("--enable-console-prompts", action="store_true", help="log the prompts of every job")


def unknown_flag(parser: argparse.ArgumentParser, flag: str) -> str:
    known = [name for action in parser._actions for name in action.option_strings]
    close = difflib.get_close_matches(flag.split("=", 1)[0], known, n=1, cutoff=0.6)
    return f"unknown argument {flag}." + (f" Did you mean {close[0]}?" if close else "")


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


def _name_length(text: str) -> int:
    number = _positive(text)
    if number > MAX_NAME:
        raise argparse.ArgumentTypeError(f"{number} is more than the {MAX_NAME} that file systems take.")
    return number


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"{text} is no level; {', '.join(LEVELS)} are.")
    return text.upper()
