"""Settings of picture making that belong to no single sampler, model or file format."""

from __future__ import annotations

from dataclasses import dataclass

from modules.core.settings import Setting, Settings, define

CLIP_SKIP = define(
    Setting(
        "CLIP_stop_at_last_layers",
        1,
        "Clip skip",
        section="Stable Diffusion",
        minimum=1,
        maximum=12,
        step=1,
        hint="Layers of the text encoder left out at its end: 1 uses all, 2 suits many anime models.",
        infotext="Clip skip",
    )
)
SDXL_CLIP_L_SKIP = define(
    Setting("sdxl_clip_l_skip", False, "Clip skip also for SDXL's first text encoder", section="Stable Diffusion XL")
)
SDXL_CROP_TOP = define(
    Setting("sdxl_crop_top", 0, "Crop top coordinate", section="Stable Diffusion XL", minimum=0, maximum=1024)
)
SDXL_CROP_LEFT = define(
    Setting("sdxl_crop_left", 0, "Crop left coordinate", section="Stable Diffusion XL", minimum=0, maximum=1024)
)
REFINER_SCORE = define(
    Setting(
        "sdxl_refiner_high_aesthetic_score",
        6.0,
        "Refiner aesthetic score of the prompt",
        section="Stable Diffusion XL",
        minimum=0,
        maximum=10,
    )
)
REFINER_NEGATIVE_SCORE = define(
    Setting(
        "sdxl_refiner_low_aesthetic_score",
        2.5,
        "Refiner aesthetic score of the negative prompt",
        section="Stable Diffusion XL",
        minimum=0,
        maximum=10,
    )
)
REFINER_BY_STEPS = define(
    Setting(
        "refiner_switch_by_sample_steps",
        False,
        "Switch to the refiner by steps instead of by noise level",
        section="Stable Diffusion",
        infotext="Refiner switch by sampling steps",
    )
)
TILING = define(
    Setting(
        "tiling",
        False,
        "Tiling",
        section="Stable Diffusion",
        hint="Pictures whose opposite edges meet, for seamless textures.",
        infotext="Tiling",
    )
)
ODD_SIZE_METHOD = define(
    Setting(
        "odd_size_method",
        "reflect",
        "Sizes that are no multiple of 8",
        section="Stable Diffusion",
        choices=("reflect", "replicate", "constant", "resize"),
        hint="The picture is made a little larger and cut back: its source is continued by reflection, by its "
        "edge or by grey, or resized with the aspect kept.",
        infotext="Odd size method",
    )
)
VAE_TILING = define(
    Setting(
        "vae_tiling",
        "auto",
        "Large pictures through the VAE in tiles",
        section="VAE",
        choices=("auto", "always", "never"),
        hint="Tiles need little memory and give nearly the same picture. Auto uses them above a size; when the memory "
        "does not suffice, they are tried in any case.",
    )
)
VAE_TILING_ABOVE = define(
    Setting(
        "vae_tiling_above",
        1.6,
        "Tiles above so many megapixels",
        section="VAE",
        minimum=0.1,
        maximum=1000,
        step=0.1,
    )
)
VAE_TILE_SIZE = define(
    Setting(
        "vae_tile_size",
        512,
        "Side of a VAE tile (pixels)",
        section="VAE",
        minimum=64,
        maximum=4096,
        step=64,
        hint="Smaller tiles need less memory and more time.",
    )
)
BATCH_COND_UNCOND = define(
    Setting(
        "batch_cond_uncond",
        True,
        "Evaluate prompt and negative prompt together",
        section="Optimizations",
        hint="Faster; off halves the memory of a step.",
    )
)
PAD_COND_UNCOND = define(
    Setting(
        "pad_cond_uncond",
        False,
        "Pad prompt and negative prompt to the same length",
        section="Optimizations",
        hint="Keeps them in one batch when their chunk counts differ; changes the picture slightly.",
        infotext="Pad conds",
    )
)
CONDITIONING_CACHE_MB = define(
    Setting(
        "conditioning_cache_mb",
        256,
        "Memory for encoded prompts (MB)",
        section="Optimizations",
        minimum=0,
        maximum=16384,
    )
)
SAVE_INCOMPLETE = define(
    Setting("save_incomplete_images", False, "Save interrupted pictures", section="Saving images/grids")
)
NAN_CHECK = define(
    Setting(
        "nan_check",
        True,
        "Check for not-a-number results",
        section="Stable Diffusion",
        hint="Half precision can break down; the stage is then repeated in fp32 once instead of giving black.",
    )
)
ADD_HASH = define(Setting("add_model_hash_to_info", True, "Model hash in infotext", section="Infotext"))
ADD_NAME = define(Setting("add_model_name_to_info", True, "Model name in infotext", section="Infotext"))
ADD_VAE_HASH = define(Setting("add_vae_hash_to_info", True, "VAE hash in infotext", section="Infotext"))
ADD_VAE_NAME = define(Setting("add_vae_name_to_info", True, "VAE name in infotext", section="Infotext"))
ADD_VERSION = define(Setting("add_version_to_infotext", True, "Program version in infotext", section="Infotext"))
ADD_REQUEST = define(
    Setting(
        "add_request_to_metadata",
        True,
        "Whole request beside the infotext",
        section="Infotext",
        hint="A JSON block from which the picture can be made again exactly.",
    )
)
LAST_INFOTEXT = define(
    Setting("write_params_txt", True, "Keep the last picture's infotext in params.txt", section="Infotext")
)
LOG_PROMPTS = define(
    Setting("enable_console_prompts", False, "Write the prompts of every job to the log", section="System")
)
PREVIEWS = define(Setting("live_previews_enable", True, "Show live previews", section="Live previews"))
PREVIEW_EVERY = define(
    Setting(
        "show_progress_every_n_steps",
        1,
        "Preview every N steps",
        section="Live previews",
        minimum=-1,
        maximum=32,
        step=1,
        hint="-1 shows none until the picture is done.",
    )
)
PREVIEW_FORMAT = define(
    Setting(
        "live_previews_image_format",
        "jpeg",
        "Format of previews",
        section="Live previews",
        choices=("jpeg", "png", "webp"),
    )
)
PREVIEW_METHOD = define(
    Setting(
        "show_progress_type",
        "Approx cheap",
        "Preview method",
        section="Live previews",
        choices=("Approx cheap", "TAESD", "Full"),
        hint="Approx cheap costs nothing; TAESD needs its file in models/VAE-approx; Full decodes every preview.",
    )
)
CHECKPOINTS_LIMIT = define(
    Setting("sd_checkpoints_limit", 1, "Checkpoints kept in memory", section="Memory", minimum=1, maximum=10, step=1)
)


@dataclass(frozen=True, kw_only=True)
class VaeTiles:
    """When pictures go through the VAE in tiles, and the side of a tile in pixels. above: pixels of a picture."""

    when: str = "auto"
    above: int = 1_600_000
    size: int = 512

    @staticmethod
    def from_settings(settings: Settings) -> VaeTiles:
        above = round(settings[VAE_TILING_ABOVE] * 1e6)
        return VaeTiles(when=settings[VAE_TILING], above=above, size=settings[VAE_TILE_SIZE])

    def wanted(self, pixels: int) -> bool:
        return self.when == "always" or (self.when == "auto" and pixels > self.above)
