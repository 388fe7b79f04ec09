"""The Script box: controls built from arguments, read back into the same call."""

import gradio as gr
import pytest

from modules.core.settings import Settings
from modules.gradio_ui.app import build_ui  # noqa: F401  # all tabs
from modules.gradio_ui.form import Form
from modules.gradio_ui.generation_request import common_request
from modules.gradio_ui.paste import paste_values
from modules.gradio_ui.script_box import build_script_box, control_id, script_of, script_words, value_name
from modules.processing.requests import ScriptCall
from modules.processing.scripts import scripts
from tests.gradio_ui.fake_services import fake_services


@pytest.fixture(params=["txt2img", "img2img"])
def form(request, tmp_path):
    made = Form(request.param, common_request)
    with gr.Blocks():
        build_script_box(made, request.param, fake_services(tmp_path))
    return made


def test_every_script_of_the_tab_has_its_controls(form):
    for script in (one for one in scripts if form.tab in one.tabs):
        for argument in (one for one in script.arguments if one.kind != "note"):
            control = form.controls[value_name(script, argument)]
            assert control.elem_id == control_id(form.tab, script, argument)
            assert control.label == argument.label
    assert form.controls["script"].elem_id == "script_list"


def test_what_the_controls_say_at_first_are_the_defaults(form, tmp_path):
    engine = fake_services(tmp_path).engine
    values = {name: one.value for name, one in form.controls.items()}
    assert common_request(values).after.script is None
    for script in (one for one in scripts if form.tab in one.tabs):
        call = common_request({**values, "script": script.title}).after.script
        assert call is not None
        assert script.read(call.arguments, engine, form.tab) == script.read({}, engine, form.tab)


def test_an_emptied_number_takes_its_default():
    call = script_of({"script": "X/Y/Z plot", "script/xyz_plot/margin_size": None})
    assert call == ScriptCall(name="X/Y/Z plot", arguments={})


PAPER = {
    "Prompt": "an apple",
    "Steps": "12",
    "Seed": "3",
    "Script": "X/Y/Z plot",
    "X Type": "Seed",
    "X Values": "3, -1",
    "Fixed X Values": "3, 99",
    "Y Type": "Sampler",
    "Y Values": "Euler, Heun",
}


def test_a_pasted_plot_sets_the_axes_again():
    values = paste_values(PAPER, Settings())
    assert values["script"] == "X/Y/Z plot"
    said = script_of(values)
    assert said is not None
    assert said.arguments == {
        "x_type": "Seed",
        "x_values": "3, 99",
        "x_values_dropdown": [],
        "y_type": "Sampler",
        "y_values": "Euler, Heun",
        "y_values_dropdown": ["Euler", "Heun"],
        "z_type": "Nothing",
        "z_values": "",
        "z_values_dropdown": [],
    }


def test_a_pasted_picture_without_a_script_chooses_none():
    assert paste_values({"Prompt": "an apple", "Steps": "12"}, Settings())["script"] == "None"
    assert "script" not in paste_values({"Seed": "3"}, Settings(), whole=False)


def test_words_of_the_controls_are_in_the_page_in_each_language():
    english, chinese = script_words("en"), script_words("zh")
    assert english.keys() == chinese.keys()
    assert english["label.script_txt2img_xyz_plot_x_type"] == "X type"
    assert chinese["label.script_txt2img_xyz_plot_x_type"] == "X 轴类型"
