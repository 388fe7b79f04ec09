"""Pictures of InvokeAI, by files that have the shape of its own."""

import json

import pytest

from modules.imaging.foreign.invokeai import weights
from tests.imaging.foreign.written import read


def test_invokeai() -> None:
    values = {
        "app_version": "5.4.2",
        "generation_mode": "txt2img",
        "positive_prompt": "a (red fox)1.3 in snow++, calm-",
        "negative_prompt": "blurry",
        "width": 832,
        "height": 1216,
        "seed": 2484186374,
        "rand_device": "cpu",
        "cfg_scale": 5.5,
        "cfg_rescale_multiplier": 0.0,
        "steps": 30,
        "scheduler": "dpmpp_2m_sde_k",
        "model": {"key": "6f2c", "hash": "blake3:aa", "name": "juggernaut-xl", "base": "sdxl", "type": "main"},
        "loras": [{"model": {"name": "ink"}, "weight": 0.75}],
        "clip_skip": 0,
        "seamless_x": False,
        "seamless_y": False,
        "controlnets": [{"control_model": {"name": "canny"}}],
    }
    fields, found = read({"invokeai_metadata": json.dumps(values)})
    assert fields == {
        "Prompt": "a (red fox:1.3) in (snow:1.21), (calm:0.9) <lora:ink:0.75>",
        "Negative prompt": "blurry",
        "Steps": "30",
        "Sampler": "DPM++ 2M SDE",
        "Schedule type": "Karras",
        "CFG scale": "5.5",
        "Seed": "2484186374",
        "Size": "832x1216",
        "Size-1": "832",
        "Size-2": "1216",
        "Model": "juggernaut-xl",
        "RNG": "CPU",
    }
    assert [one.split(":")[0] for one in found.unknown] == ["controlnets"]


def test_invokeai_before_3() -> None:
    values = {
        "model": "stable diffusion",
        "model_weights": "stable-diffusion-1.5",
        "app_version": "2.2.5",
        "image": {
            "prompt": [{"prompt": "a lighthouse [fog, people]", "weight": 1}],
            "steps": 50,
            "cfg_scale": 7.5,
            "sampler": "k_euler_a",
            "seed": 3,
            "width": 512,
            "height": 512,
            "seamless": False,
            "variations": [],
        },
    }
    fields, found = read({"sd-metadata": json.dumps(values)})
    names = ("Prompt", "Negative prompt", "Steps", "Sampler", "Model", "Size")
    assert [fields[name] for name in names] == [
        *("a lighthouse", "fog, people", "50", "Euler a", "stable-diffusion-1.5", "512x512"),
    ]
    assert found.unknown == ()


def test_invokeai_at_first_wrote_a_command_line() -> None:
    fields, found = read({"Dream": '"a cat" -s 50 -S 42 -W 512 -H 256 -C 7.5 -A k_lms -G 0.8'})
    assert [fields[name] for name in ("Prompt", "Steps", "Seed", "Size", "Sampler")] == [
        *("a cat", "50", "42", "512x256", "LMS"),
    ]
    assert found.unknown == ("-G: 0.8",)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("(a b)1.25", "(a b:1.25)"), ("cat---", "(cat:0.729)"), ("(a b)+", "(a b:1.1)"), ("well-lit, a-b c", None)],
)
def test_invokeais_weights(theirs: str, ours: str | None) -> None:
    assert weights(theirs) == (ours or theirs)
