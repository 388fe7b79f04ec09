"""Pictures of other programs, by files that have the shape of theirs."""

import io
import json
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from modules.imaging.foreign import Foreign, read_any, read_foreign, readers
from modules.imaging.foreign.invokeai import weights
from modules.imaging.foreign.names import SAMPLERS, SCHEDULERS, SCHEDULES
from modules.imaging.infotext import parse_infotext
from modules.processing.samplers import samplers
from modules.processing.schedules import schedules


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


def test_fooocus_own_scheme() -> None:
    values = {
        "adm_guidance": "(1.5, 0.8, 0.3)",
        "base_model": "juggernautXL_v8Rundiffusion",
        "base_model_hash": "aeb7e9e689",
        "clip_skip": 2,
        "full_negative_prompt": ["ugly", "bad"],
        "full_prompt": ["cinematic still a house", "a house"],
        "guidance_scale": 4.0,
        "lora_combined_1": "sd_xl_offset_example-lora_1.0 : 0.1",
        "loras": [["sd_xl_offset_example-lora_1.0", 0.1, "4852686128"]],
        "metadata_scheme": "fooocus",
        "negative_prompt": "ugly",
        "performance": "Speed",
        "prompt": "a house",
        "prompt_expansion": "a house, intricate",
        "refiner_model": "None",
        "refiner_switch": 0.5,
        "resolution": "(1152, 896)",
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "seed": "6253113834229411873",
        "sharpness": 2.0,
        "steps": 30,
        "styles": "['Fooocus V2', 'Fooocus Enhance']",
        "vae": "Default (model)",
        "version": "Fooocus v2.5.5",
    }
    fields, found = read({"parameters": json.dumps(values), "fooocus_scheme": "fooocus"})
    assert fields == {
        "Prompt": "a house <lora:sd_xl_offset_example-lora_1.0:0.1>",
        "Negative prompt": "ugly",
        "Steps": "30",
        "Sampler": "DPM++ 2M SDE",
        "Schedule type": "Karras",
        "CFG scale": "4",
        "Seed": "6253113834229411873",
        "Size": "1152x896",
        "Size-1": "1152",
        "Size-2": "896",
        "Model hash": "aeb7e9e689",
        "Model": "juggernautXL_v8Rundiffusion",
        "Clip skip": "2",
        "RNG": "CPU",
    }
    names = [one.split(":")[0] for one in found.unknown]
    assert names == ["adm_guidance", "performance", "prompt_expansion", "sharpness", "styles"]


def test_fooocus_in_a1111s_scheme() -> None:
    text = (
        "a house, intricate\nNegative prompt: ugly\n"
        "Steps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 625, Size: 1152x896, CFG scale: 4, Sharpness: 2, "
        'ADM Guidance: "(1.5, 0.8, 0.3)", Model: juggernautXL, Model hash: aeb7e9e689, Performance: Speed, '
        "Scheduler: karras, VAE: Default (model), "
        'Styles: "[\'Fooocus V2\']", Lora hashes: "offset: 4852686128: 0.1", Version: Fooocus v2.5.5'
    )
    fields, found = read({"parameters": text, "fooocus_scheme": "a1111"})
    assert fields == {
        "Prompt": "a house, intricate <lora:offset:0.1>",
        "Negative prompt": "ugly",
        "Steps": "30",
        "Sampler": "DPM++ 2M SDE Karras",
        "Seed": "625",
        "Size": "1152x896",
        "Size-1": "1152",
        "Size-2": "896",
        "CFG scale": "4",
        "Model": "juggernautXL",
        "Model hash": "aeb7e9e689",
        "RNG": "CPU",
    }
    names = [one.split(":")[0] for one in found.unknown]
    assert names == ["Sharpness", "ADM Guidance", "Performance", "Styles"]


A1111 = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 42, Size: 16x16, Model: x"


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"parameters": A1111},
        {"parameters": A1111, "prompt": json.dumps(graph())},
        {"prompt": "a plain text"},
        {"prompt": "[1, 2]", "workflow": "null"},
        {"prompt": "{" * 5000},
        {"Comment": '{"steps": 3}', "Software": "GIMP"},
        {"invokeai_metadata": "no JSON"},
    ],
)
def test_everything_else_is_left_alone(texts: dict[str, str]) -> None:
    infotext, items, found = read_any(saved(texts))
    assert found is None
    assert infotext == texts.get("parameters", "")
    assert items == texts


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


def test_every_name_leads_to_one_of_ours() -> None:
    assert {one for one in (*SAMPLERS.values(), *SCHEDULERS.values()) if one not in samplers} == set()
    assert {one for one in SCHEDULES.values() if one not in schedules} == set()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("(a b)1.25", "(a b:1.25)"), ("cat---", "(cat:0.729)"), ("(a b)+", "(a b:1.1)"), ("well-lit, a-b c", None)],
)
def test_invokeais_weights(theirs: str, ours: str | None) -> None:
    assert weights(theirs) == (ours or theirs)


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


def test_a_reader_that_fails_leaves_the_picture_to_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(items: object, size: object) -> None:
        raise KeyError("x")

    items = {"prompt": json.dumps(graph())}
    monkeypatch.setattr("modules.imaging.foreign.readers", {"Broken": fail, **dict(readers.items())})
    found = read_foreign(items, 64, 48)
    assert found is not None
    assert found.program == "ComfyUI"
    monkeypatch.setattr("modules.imaging.foreign.readers", {"Broken": fail})
    assert read_foreign(items, 64, 48) is None
    assert "The reader of Broken failed." in caplog.text
