"""Pictures of NovelAI, by files that have the shape of its own."""

import json

from tests.imaging.foreign.written import read


def test_novelai() -> None:
    comment = {
        "steps": 28,
        "sampler": "k_dpmpp_2s_ancestral",
        "seed": 1234,
        "strength": 0.7,
        "noise": 0.2,
        "scale": 11.0,
        "uc": "lowres, bad anatomy",
        "noise_schedule": "karras",
    }
    texts = {
        "Title": "AI generated image",
        "Description": "masterpiece, {{a girl}}",
        "Software": "NovelAI",
        "Source": "Stable Diffusion 81274D13",
        "Comment": json.dumps(comment),
    }
    fields, found = read(texts, (512, 768))
    assert fields == {
        "Prompt": "masterpiece, {{a girl}}",
        "Negative prompt": "lowres, bad anatomy",
        "Steps": "28",
        "Sampler": "DPM++ 2S a",
        "Schedule type": "Karras",
        "CFG scale": "11",
        "Seed": "1234",
        "Size": "512x768",
        "Size-1": "512",
        "Size-2": "768",
        "Denoising strength": "0.7",
        "Clip skip": "2",
        "ENSD": "31337",
    }
    assert [one[:12] for one in found.unknown] == ["The prompt's", "noise: 0.2"]
