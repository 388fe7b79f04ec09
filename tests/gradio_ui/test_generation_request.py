from modules.gradio_ui.generation_request import common_request
from modules.processing.requests import Generate


def test_an_empty_form_is_the_default_request() -> None:
    assert common_request({}) == Generate()


def test_every_control_reaches_the_request() -> None:
    request = common_request(
        {
            "prompt": "an apple",
            "negative": "blur",
            "styles": ["cinematic"],
            "width": 768,
            "height": 448,
            "batch_count": 2,
            "batch_size": 3,
            "seed": 5,
            "subseed": 6,
            "subseed_strength": 0.25,
            "seed_resize_from_w": 512,
            "seed_resize_from_h": 640,
            "sampler": "Euler a",
            "schedule": "Karras",
            "steps": 11,
            "cfg_scale": 4.5,
            "refiner": "fine.safetensors",
            "refiner_switch_at": 0.6,
            "overrides": ["Clip skip: 2"],
        }
    )
    said = request.to_json()
    assert said["prompt"] == {"positive": "an apple", "negative": "blur", "styles": ("cinematic",)}
    assert [*said["shape"].values()][:4] == [768, 448, 3, 2]
    assert list(said["seed"].values()) == [5, 6, 0.25, 512, 640]
    assert (said["sampling"]["sampler"], said["sampling"]["schedule"]) == ("Euler a", "Karras")
    assert (said["sampling"]["steps"], said["sampling"]["cfg_scale"]) == (11, 4.5)
    assert said["model"]["refiner"] == {"checkpoint": "fine.safetensors", "switch_at": 0.6}
    assert said["overrides"] == {"CLIP_stop_at_last_layers": 2}


def test_an_emptied_number_takes_its_default() -> None:
    assert common_request({"steps": None, "width": None}) == Generate()
