"""Gradio downloads a file that a visitor names by its address, for any control; Easel asks no other machine."""

from __future__ import annotations

import gradio as gr
from gradio import processing_utils


async def refuse_download(url: str, cache_dir: str) -> str:
    raise gr.Error("This server fetches nothing from other addresses: upload the file itself.")


def stay_offline() -> None:
    """Gradio has no setting for this, so its one downloading function is replaced."""
    assert callable(processing_utils.async_ssrf_protected_download)  # else Gradio renamed it, and this does nothing
    processing_utils.async_ssrf_protected_download = refuse_download
