"""Settings of pictures that start from pictures, and of the second pass."""

from __future__ import annotations

from modules.core.settings import Setting, define

IMG2IMG = "img2img"
EXACT_STEPS = define(
    Setting(
        "img2img_fix_steps",
        False,
        "img2img does exactly as many steps as the slider says",
        section=IMG2IMG,
        hint="Normally a strength of 0.5 does half of them.",
    )
)
NOISE_MULTIPLIER = define(
    Setting(
        "initial_noise_multiplier",
        1.0,
        "Noise multiplier for img2img",
        section=IMG2IMG,
        minimum=0.0,
        maximum=1.5,
        step=0.001,
        infotext="Noise multiplier",
    )
)
EXTRA_NOISE = define(
    Setting(
        "img2img_extra_noise",
        0.0,
        "Extra noise for img2img and hires fix",
        section=IMG2IMG,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        infotext="Extra noise",
        hint="Noise on top of what the strength asks for: more detail, further from the source.",
    )
)
COLOUR_CORRECTION = define(
    Setting(
        "img2img_color_correction",
        False,
        "Give img2img results the colours of the source",
        section=IMG2IMG,
    )
)
BACKGROUND = define(
    Setting(
        "img2img_background_color",
        "#ffffff",
        "Background of transparent pictures",
        section=IMG2IMG,
        hint="A colour as #rrggbb or by name.",
    )
)
CONDITION_WEIGHT = define(
    Setting(
        "inpainting_mask_weight",
        1.0,
        "How much inpainting models see of the masked area's surroundings",
        section=IMG2IMG,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        infotext="Conditional mask weight",
    )
)
OVERLAY = define(
    Setting(
        "overlay_inpaint",
        True,
        "Put the untouched original back around what was inpainted",
        section=IMG2IMG,
    )
)
UPSCALER = define(
    Setting(
        "upscaler_for_img2img",
        "None",
        "Upscaler when img2img enlarges its source",
        section=IMG2IMG,
        hint="None: Lanczos.",
    )
)
REFINER_PASS = define(
    Setting(
        "hires_fix_refiner_pass",
        "second pass",
        "Passes of hires fix that use the refiner",
        section="Upscaling",
        choices=("first pass", "second pass", "both passes"),
        infotext="Hires refiner",
    )
)
SAVE_FIRST_PASS = define(
    Setting(
        "save_images_before_highres_fix",
        False,
        "Save the picture before hires fix too",
        section="Saving images/grids",
    )
)
