"""Pictures of Fooocus, by files that have the shape of its own."""

import json

from tests.imaging.foreign.written import read


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
