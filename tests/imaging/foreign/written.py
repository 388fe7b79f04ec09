"""Pictures with texts in them, as programs write them, and what is read of them."""

import io
from typing import Any

from PIL import Image, PngImagePlugin

from modules.imaging.foreign import Foreign, read_any
from modules.imaging.infotext import parse_infotext

A1111 = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 42, Size: 16x16, Model: x"


def saved(texts: dict[str, str], size: tuple[int, int] = (64, 48)) -> Image.Image:
    chunks, raw = PngImagePlugin.PngInfo(), io.BytesIO()
    for name, text in texts.items():
        chunks.add_itxt(name, text)
    Image.new("RGB", size).save(raw, "PNG", pnginfo=chunks)
    return Image.open(io.BytesIO(raw.getvalue()))


def read(texts: dict[str, str], size: tuple[int, int] = (64, 48)) -> tuple[dict[str, str], Foreign]:
    infotext, _, found = read_any(saved(texts, size))
    assert found is not None
    assert infotext == found.infotext
    return parse_infotext(infotext), found


def graph(**changed: Any) -> dict[str, Any]:
    """ComfyUI's default graph, as it runs, with networks and a clip layer."""
    nodes: dict[str, Any] = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 156680208700286,
                "steps": 20,
                "cfg": 8.0,
                "sampler_name": "dpmpp_2m_sde_gpu",
                "scheduler": "karras",
                "denoise": 1.0,
                "model": ["10", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
            "_meta": {"title": "KSampler"},
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5-pruned.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass bottle, (galaxy:1.2)", "clip": ["10", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["11", 0]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["12", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
        "10": {
            "class_type": "LoraLoader",
            "inputs": {
                "lora_name": "style/ink.safetensors",
                "strength_model": 0.8,
                "strength_clip": 0.5,
                "model": ["4", 0],
                "clip": ["11", 0],
            },
        },
        "11": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["4", 1]}},
        "12": {"class_type": "VAELoader", "inputs": {"vae_name": "vae-ft-mse.safetensors"}},
    }
    return {**nodes, **changed}
