"""Samplers and schedules under the names of other programs."""

from __future__ import annotations

KARRAS = "Karras"
# k-diffusion's function names, used by ComfyUI, Fooocus and (with "k_" in front) NovelAI
SAMPLERS = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "lms": "LMS",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "ddpm": "DDPM",
    "lcm": "LCM",
    "ddim": "DDIM",
    "plms": "PLMS",
    "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
    "deis": "DEIS",
}
SCHEDULES = {
    "normal": "Normal",
    "karras": KARRAS,
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
}
# diffusers' schedulers, used by InvokeAI; "_k" at the end means Karras' sigmas
SCHEDULERS = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "lms": "LMS",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "deis": "DEIS",
    "pndm": "PLMS",
    "plms": "PLMS",
    "unipc": "UniPC",
    "lcm": "LCM",
    "tcd": "TCD",
}


def sampler_label(name: str) -> str:
    """Ours where there is one, else the name itself: what pastes it will say that it is not known."""
    plain = name.strip().casefold().removeprefix("k_").removesuffix("_gpu")
    return SAMPLERS.get(plain, name)


def schedule_label(name: str) -> str:
    return SCHEDULES.get(name.strip().casefold(), name)


def scheduler_labels(name: str) -> tuple[str, str | None]:
    """(sampler, schedule or None) of a scheduler of diffusers."""
    plain = name.strip().casefold().removeprefix("k_")
    base = plain.removesuffix("_k")
    return SCHEDULERS.get(base, name), KARRAS if base != plain else None
