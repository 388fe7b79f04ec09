from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_report_tells_versions_and_wishes_but_no_secret_and_no_path(tmp_path: Path) -> None:
    settings = {"samples_format": "webp", "outdir_samples": "/canary1", "jpeg_quality": 80}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    flags = ["--dump-sysinfo", "--data-dir", str(tmp_path), "--api-auth", "ann:canary2", "--ckpt-dir", "/canary3"]
    code = "import sys, webui; webui.main(sys.argv[1:]); print('torch' in sys.modules, 'gradio' in sys.modules)"
    command = [sys.executable, "-c", code, *flags, "--no-half"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert told.stdout.splitlines()[-1] == "False False", told.stderr
    (file,) = tmp_path.glob("sysinfo-*.json")
    assert str(file) in told.stdout
    text = file.read_text("utf-8")
    report = json.loads(text)
    assert report["Packages"]["torch"] == version("torch")
    assert report["Memory mode"] == "fp32"
    assert report["Settings"] == {"memory_mode": "fp32", "samples_format": "webp"}
    assert report["Options"] == {"dump_sysinfo": True, "no_half": True, "loglevel": "INFO", "timeout_keep_alive": 30}
    assert "canary" not in text
    assert str(tmp_path) not in text
