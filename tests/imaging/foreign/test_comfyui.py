"""Pictures of ComfyUI, by files that have the shape of its own."""

import io
import json
from typing import Any

import pytest
from PIL import Image

from modules.imaging.foreign import read_any, read_foreign
from modules.imaging.infotext import parse_infotext
from tests.imaging.foreign.written import graph, read


def test_comfyui_is_read_from_the_sampler_outwards() -> None:
    fields, found = read({"prompt": json.dumps(graph()), "workflow": "{}"})
    assert fields == {
        "Prompt": "a glass bottle, (galaxy:1.2) <lora:ink:0.5:0.8>",
        "Negative prompt": "text, watermark",
        "Steps": "20",
        "Sampler": "DPM++ 2M SDE",
        "Schedule type": "Karras",
        "CFG scale": "8",
        "Seed": "156680208700286",
        "Size": "512x768",
        "Size-1": "512",
        "Size-2": "768",
        "Model": "v1-5-pruned",
        "VAE": "vae-ft-mse.safetensors",
        "Clip skip": "2",
        "RNG": "CPU",
        "Emphasis": "No norm",
    }
    assert (found.program, found.unknown) == ("ComfyUI", ())


def test_comfyui_seeds_and_texts_are_followed_through_nodes_that_hold_them() -> None:
    nodes = graph()
    nodes["3"]["inputs"]["seed"] = ["20", 0]
    nodes["6"]["inputs"]["text"] = ["21", 0]
    nodes["20"] = {"class_type": "Seed (rgthree)", "inputs": {"seed": 77}}
    nodes["21"] = {"class_type": "StringConstant", "inputs": {"string": "a boat"}}
    nodes["30"] = {"class_type": "ControlNetApply", "inputs": {"conditioning": ["6", 0], "strength": 1.0}}
    nodes["3"]["inputs"]["positive"] = ["30", 0]
    fields, found = read({"prompt": json.dumps(nodes)})
    assert (fields["Seed"], fields["Prompt"].split(" <")[0]) == ("77", "a boat")
    assert found.unknown == ("ControlNetApply (node 30)",)


def test_comfyui_with_a_second_pass_over_latents_is_our_hires() -> None:
    nodes = graph()
    second = {**nodes["3"]["inputs"], "denoise": 0.55, "steps": 12, "latent_image": ["40", 0]}
    nodes["41"] = {"class_type": "KSampler", "inputs": second}
    nodes["40"] = {
        "class_type": "LatentUpscaleBy",
        "inputs": {"upscale_method": "nearest-exact", "scale_by": 1.5, "samples": ["3", 0]},
    }
    nodes["8"]["inputs"]["samples"] = ["41", 0]
    fields, found = read({"prompt": json.dumps(nodes)})
    hires = {name: fields[name] for name in fields if "ires" in name or name == "Denoising strength"}
    assert hires == {
        "Denoising strength": "0.55",
        "Hires upscale": "1.5",
        "Hires steps": "12",
        "Hires upscaler": "Latent (nearest-exact)",
    }
    assert (fields["Steps"], fields["Size"], found.unknown) == ("20", "512x768", ())


def test_comfyui_with_custom_samplers() -> None:
    nodes = graph()
    nodes["3"] = {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {
            "noise": ["50", 0],
            "guider": ["51", 0],
            "sampler": ["52", 0],
            "sigmas": ["53", 0],
            "latent_image": ["5", 0],
        },
    }
    nodes["50"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 5}}
    nodes["51"] = {
        "class_type": "CFGGuider",
        "inputs": {"cfg": 3.5, "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0]},
    }
    nodes["52"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler_ancestral"}}
    nodes["53"] = {"class_type": "BasicScheduler", "inputs": {"scheduler": "beta", "steps": 9, "denoise": 1}}
    fields, found = read({"prompt": json.dumps(nodes)})
    names = ("Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Model", "Negative prompt")
    assert [fields[name] for name in names] == ["9", "Euler a", "Beta", "3.5", "5", "v1-5-pruned", "text, watermark"]
    assert found.unknown == ()


def test_comfyui_drawn_workflow_alone_is_enough() -> None:
    workflow = {
        "nodes": [
            {
                "id": 3,
                "type": "KSampler",
                "widgets_values": [42, "randomize", 15, 7, "euler", "normal", 1],
                "inputs": [
                    {"name": "model", "link": 1},
                    {"name": "positive", "link": 4},
                    {"name": "negative", "link": 6},
                    {"name": "latent_image", "link": 2},
                ],
            },
            {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["model.ckpt"], "inputs": []},
            {"id": 5, "type": "EmptyLatentImage", "widgets_values": [256, 320, 1]},
            {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a hill"], "inputs": [{"name": "clip", "link": 3}]},
            {"id": 7, "type": "CLIPTextEncode", "widgets_values": ["fog"], "inputs": [{"name": "clip", "link": 3}]},
            {"id": 70, "type": "Reroute", "inputs": [{"name": "", "link": 5}]},
            {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 7}]},
            {"id": 9, "type": "SaveImage", "widgets_values": ["x"], "inputs": [{"name": "images", "link": 8}]},
            {"id": 99, "type": "UpscaleThing", "mode": 4},
        ],
        "links": [
            [1, 4, 0, 3, 0, "MODEL"],
            [2, 5, 0, 3, 3, "LATENT"],
            [3, 4, 1, 6, 0, "CLIP"],
            [4, 6, 0, 3, 1, "CONDITIONING"],
            [5, 7, 0, 70, 0, "*"],
            [6, 70, 0, 3, 2, "CONDITIONING"],
            [7, 3, 0, 8, 0, "LATENT"],
            [8, 8, 0, 9, 0, "IMAGE"],
        ],
    }
    fields, found = read({"workflow": json.dumps(workflow)})
    names = ("Prompt", "Negative prompt", "Steps", "Sampler", "Seed", "Size", "Model")
    assert [fields[name] for name in names] == ["a hill", "fog", "15", "Euler", "42", "256x320", "model"]
    assert found.unknown == ()


def test_comfyui_in_a_webp_stands_in_exif() -> None:
    exif, raw = Image.Exif(), io.BytesIO()
    exif[0x0110] = f"prompt:{json.dumps(graph())}"
    exif[0x010F] = "workflow:{}"
    Image.new("RGB", (8, 8)).save(raw, "WEBP", exif=exif)
    infotext, _, found = read_any(Image.open(io.BytesIO(raw.getvalue())))
    assert found is not None
    assert parse_infotext(infotext)["Seed"] == "156680208700286"


@pytest.mark.parametrize(
    "nodes",
    [
        {"1": {"class_type": "Mystery", "inputs": {}}},
        {
            "1": {
                "class_type": "KSampler",
                "inputs": {"model": ["1", 0], "latent_image": ["1", 0], "positive": ["1", 0]},
            }
        },
        {"1": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}, "2": {"class_type": "X", "inputs": {}}},
        {
            "1": {"class_type": "KSampler", "inputs": {"seed": ["2", 0], "steps": [None], "cfg": {"a": 1}}},
            "2": {"class_type": "Reroute", "inputs": {"": ["2", 0]}},
        },
    ],
)
def test_odd_graphs_end_and_raise_nothing(nodes: dict[str, Any]) -> None:
    assert read_foreign({"prompt": json.dumps(nodes)}, 8, 8) is not None


def test_links_without_a_plain_id_are_not_followed() -> None:
    sampler = {
        "id": 3,
        "type": "KSampler",
        "widgets_values": [5, "fixed", 9],
        "inputs": [{"name": "model", "link": []}],
    }
    nodes = [sampler, {"id": 4, "type": "X", "inputs": [{"name": "y", "link": {}}]}]
    workflow = {"nodes": nodes, "links": [[[1], 4, 0, 3, 0], [{}, 4, 0, 3, 0]]}
    fields, _ = read({"workflow": json.dumps(workflow)})
    assert (fields["Seed"], fields["Steps"]) == ("5", "9")
