from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
from PIL import Image

from modules.api.app import plain
from modules.api.convert import in_their_words, read_request
from modules.api.limits import MAX_INPUT_PIXELS, MAX_PICTURES, MAX_PIXELS
from modules.api.models import Img2Img, Txt2Img
from modules.core.errors import NotFoundError, UserError
from modules.core.settings import Settings
from modules.imaging.inputs import PictureStore
from modules.processing.requests import Generate, Hires, HiresPass, InitImage, MaskedImage, Noise, SoftInpainting

Read = Callable[..., tuple[Generate, list[str]]]
NAMED = {"sampler_name": "Euler a", "scheduler": "Karras"}


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path)


@pytest.fixture
def read(store: PictureStore) -> Read:
    """A txt2img request from its fields."""

    def one(**fields: Any) -> tuple[Generate, list[str]]:
        with in_their_words():
            return read_request(Txt2Img.model_validate({**NAMED, **fields}), Settings(), store)

    return one


@pytest.fixture
def read_img2img(store: PictureStore) -> Callable[..., Generate]:
    def one(**fields: Any) -> Generate:
        with in_their_words():
            return read_request(Img2Img.model_validate({**NAMED, **fields}), Settings(), store)[0]

    return one


def test_a_clients_fields_reach_the_request(read: Read) -> None:
    request, warnings = read(prompt="a cat", seed=7, subseed=9, subseed_strength=0.25, n_iter=3, width=640, s_churn=0.5)
    assert request.prompt.positive == "a cat"
    assert (request.seed.seed, request.seed.variation, request.seed.variation_strength) == (7, 9, 0.25)
    assert (request.shape.width, request.shape.height, request.shape.batch_count) == (640, 512, 3)
    assert (request.sampling.sampler, request.sampling.schedule) == ("Euler a", "Karras")
    assert (request.sampling.steps, request.sampling.cfg_scale) == (50, 7.0)
    assert request.sampling.churn is not None
    assert request.sampling.churn.s_churn == 0.5
    assert not request.after.save
    assert warnings == []
    assert Generate.from_json(request.to_json()) == request


def test_a_typo_is_told(read: Read) -> None:
    assert "'sampler'" in read(sampler="Euler")[1][0]


def test_model_settings_for_one_call_become_the_models_choice(read: Read) -> None:
    wish = {"sd_model_checkpoint": "m", "sd_vae": "v", "CLIP_stop_at_last_layers": 2}
    request, _ = read(override_settings=wish)
    assert (request.model.checkpoint, request.model.vae, request.model.clip_skip) == ("m", "v", 2)
    assert request.overrides == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("script_name", "no such script"), ("alwayson_scripts", {"ControlNet": {"args": []}}),
        ("restore_faces", True), ("firstpass_image", "iVBO"), ("n_iter", 101), ("sampler_name", "Eular"),
        ("width", 2**40), ("height", 9000),
    ],
)  # fmt: skip
def test_what_cannot_be_granted_is_refused_by_name(read: Read, field: str, value: object) -> None:
    with pytest.raises(UserError) as refused:
        read(**{field: value})
    assert refused.value.field == field


@pytest.mark.parametrize("key", ["no_such_setting", MAX_PIXELS.key, MAX_PICTURES.key])
def test_owners_and_unknown_settings_cannot_be_overridden(read: Read, key: str) -> None:
    with pytest.raises(UserError, match=key):
        read(override_settings={key: 10**6})


def test_an_unknown_sampler_suggests(read: Read) -> None:
    with pytest.raises(UserError, match="Did you mean"):
        read(sampler_name="Eular a")


@pytest.mark.parametrize("fields", [{"cfg_scale": float("nan")}, {"eta": float("inf")}, {"prompt": "\ud800"}])
def test_numbers_and_texts_that_json_cannot_carry_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Txt2Img.model_validate(fields)


def test_replies_are_valid_json_whatever_came_in() -> None:
    assert plain({"a": [float("nan"), "\ud800x"], "b": (1, None)}) == {"a": [None, "?x"], "b": [1, None]}


def picture(colour: str = "red", size: tuple[int, int] = (24, 16)) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def test_hires_fields_are_a_second_pass(read: Read, store: PictureStore) -> None:
    assert read()[0].after.hires is None
    assert read(enable_hr=True)[0].after.hires == Hires(), "A1111's defaults are ours"
    wish: dict[str, Any] = {"hr_scale": 1.5, "hr_resize_x": 640, "hr_second_pass_steps": 9, "hr_prompt": "a dog"}
    wish |= {"hr_upscaler": "Lanczos", "denoising_strength": 0, "hr_sampler_name": "Heun", "hr_scheduler": "Karras"}
    wish |= {"hr_negative_prompt": "cat", "hr_checkpoint_name": "other", "hr_cfg": 3, "firstpass_image": picture()}
    hires = read(enable_hr=True, **wish)[0].after.hires
    second = HiresPass(
        positive="a dog", negative="cat", sampler="Heun", schedule="Karras", checkpoint="other", cfg_scale=3
    )
    assert hires is not None
    assert store.open(hires.first).size == (24, 16)
    assert hires == Hires(
        upscaler="Lanczos", scale=1.5, width=640, steps=9, strength=0, first=hires.first, second=second
    )
    same = {"hr_sampler_name": "Use same sampler", "hr_checkpoint_name": "Use same checkpoint"}
    assert read(enable_hr=True, hr_scheduler="Use same scheduler", **same)[0].after.hires == Hires()


@pytest.mark.parametrize(("first", "size"), [((64, 72), (64, 72)), ((64, 0), (64, 96)), ((0, 72), (48, 72))])
def test_with_an_old_first_pass_width_and_height_are_the_final_size(
    read: Read, first: tuple[int, int], size: tuple[int, int]
) -> None:
    wish = {"width": 512, "height": 768, "firstphase_width": first[0], "firstphase_height": first[1]}
    request, _ = read(enable_hr=True, hr_scale=4, **wish)
    assert request.after.hires == Hires(width=512, height=768, scale=4)
    assert (request.shape.width, request.shape.height) == size
    assert read(**wish)[0].shape.width == 512, "without enable_hr they mean nothing"


def test_a_size_can_be_reached_in_windows(read: Read) -> None:
    region = {"left": 0, "top": 0, "right": 0.5, "bottom": 1, "prompt": "sea"}
    shape = read(easel_method="windows", easel_windows={"size": 64, "weights": "multi", "regions": [region]})[0].shape
    assert (shape.method, shape.windows.size, shape.windows.weights) == ("windows", 64, "multi")
    assert [one.prompt for one in shape.windows.regions] == ["sea"]
    with pytest.raises(UserError) as refused:
        read(easel_windows={"size": "big"})
    assert refused.value.field == "easel_windows.size"


def test_init_images_are_kept_and_the_defaults_are_those_of_a1111(
    read_img2img: Callable[..., Generate], store: PictureStore
) -> None:
    request = read_img2img(init_images=[picture(), f"data:image/png;base64,{picture('blue')}"], batch_size=2)
    assert isinstance(request.source, InitImage)
    assert [store.open(one).getpixel((0, 0)) for one in request.source.images] == [(255, 0, 0), (0, 0, 255)]
    assert request.source == InitImage(images=request.source.images, strength=0.75)
    assert request.overrides == {}
    more = {"resize_mode": 3, "denoising_strength": 0.25, "image_cfg_scale": 2, "initial_noise_multiplier": 0.5}
    request = read_img2img(init_images=[picture()], **more)
    assert request.source == InitImage(
        images=request.source.images,  # pyright: ignore[reportAttributeAccessIssue]
        strength=0.25,
        resize="latent",
        image_cfg_scale=2,
    )
    assert request.overrides == {"initial_noise_multiplier": 0.5}


def masked(request: Generate) -> MaskedImage:
    assert isinstance(request.source, MaskedImage)
    return request.source


def test_a_mask_makes_it_an_inpaint_and_the_defaults_are_those_of_a1111(
    read_img2img: Callable[..., Generate], store: PictureStore
) -> None:
    source = masked(read_img2img(init_images=[picture()], mask=picture("white")))
    assert store.open(source.mask.image).getpixel((0, 0)) == (255, 255, 255)
    mask = source.mask
    assert (mask.blur_x, mask.blur_y, mask.round, mask.invert) == (4, 4, True, False)
    assert (source.fill, source.padding, source.soft) == ("fill", 0, None)
    wish = {"mask_blur_x": 1, "mask_blur_y": 2, "mask_round": False, "inpainting_mask_invert": True}
    wish |= {"inpainting_fill": 3, "inpaint_full_res": False, "inpaint_full_res_padding": 32, "resize_mode": 1}
    source = masked(read_img2img(init_images=[picture()], mask=picture("white"), **wish))
    assert (source.mask.blur_x, source.mask.blur_y, source.mask.round, source.mask.invert) == (1, 2, False, True)
    assert (source.fill, source.padding, source.init.resize) == ("latent nothing", None, "crop")
    source = masked(read_img2img(init_images=[picture()], mask=picture("white"), mask_blur=7, resize_mode=3))
    assert (source.mask.blur_x, source.mask.blur_y) == (7, 7)
    assert source.init.resize == "just", "only masked cuts to the asked size, so nothing is left to resize"


def test_a_latent_mask_puts_nothing_back(read_img2img: Callable[..., Generate]) -> None:
    request = read_img2img(init_images=[picture()], latent_mask=picture("white"))
    assert masked(request).padding is None
    assert request.overrides == {"overlay_inpaint": False}


def test_soft_inpainting_is_a_script_of_theirs(read_img2img: Callable[..., Generate]) -> None:
    def soft(arguments: Any) -> SoftInpainting | None:
        scripts = {"soft inpainting": {"args": arguments}}
        return masked(read_img2img(init_images=[picture()], mask=picture("white"), alwayson_scripts=scripts)).soft

    assert soft([True, 2, 0.25]) == SoftInpainting(schedule_bias=2, preservation_strength=0.25)
    assert soft([True]) == SoftInpainting()
    assert soft([False, 2]) is None
    for wrong in ([True, "2"], [True, *range(7)], "on"):
        with pytest.raises(UserError) as refused:
            soft(wrong)
        assert refused.value.field == "alwayson_scripts"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"init_images": ["nonsense"]}, "init_images[0]"),
        ({"init_images": [picture(), ""], "batch_size": 2}, "init_images[1]"),
        ({"init_images": [picture()] * 2}, "init_images"),
        ({"init_images": [picture()], "mask": "data:image/png,abc"}, "mask"),
        ({"init_images": [picture()], "mask": picture(), "latent_mask": picture()}, "latent_mask"),
        ({"init_images": [picture()], "initial_noise_multiplier": 2}, "initial_noise_multiplier"),
        ({"init_images": ["sha256:" + "0" * 64]}, "init_images[0]"),
    ],
)
def test_a_wrong_picture_names_its_field(
    read_img2img: Callable[..., Generate], fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(UserError) as refused:
        read_img2img(**fields)
    assert refused.value.field == field


def test_a_picture_over_the_owners_limit_is_refused(store: PictureStore) -> None:
    body = Img2Img(init_images=[picture(size=(65, 64))], sampler_name="Euler")
    with pytest.raises(UserError, match="65 x 64") as refused:
        read_request(body, Settings(None, {MAX_INPUT_PIXELS.key: 4096}), store)
    assert refused.value.field == "init_images[0]"


def test_no_picture_is_told_in_their_words(read_img2img: Callable[..., Generate]) -> None:
    for nothing in (None, []):
        with pytest.raises(NotFoundError, match=r"^Init image not found$"):
            read_img2img(init_images=nothing)
    assert read_img2img(init_images=[picture()], width=64).source != Noise()


def test_a_second_pass_has_the_same_limit_of_size(read: Read) -> None:
    with pytest.raises(UserError, match="4096x4096") as refused:
        read(enable_hr=True, width=1024, height=1024, hr_scale=4)
    assert refused.value.field == "hr_resize_x"
