"""Settings of the samplers and schedules, under A1111's names."""

from __future__ import annotations

from modules.core.settings import Setting, define

SECTION = "Sampler parameters"


def _number(key: str, default: float, label: str, infotext: str, top: float, hint: str = "") -> Setting[float]:
    return define(Setting(key, default, label, section=SECTION, minimum=0.0, maximum=top, infotext=infotext, hint=hint))


def _flag(key: str, label: str, infotext: str, hint: str = "") -> Setting[bool]:
    return define(Setting(key, False, label, section=SECTION, infotext=infotext, hint=hint))


NOISE_SOURCE = define(
    Setting(
        "randn_source",
        "CPU",
        "Random number source",
        section=SECTION,
        choices=("CPU", "GPU", "NV"),
        infotext="RNG",
        hint="CPU gives one picture on every machine; NV gives what an NVIDIA card would draw.",
    )
)
ETA_DDIM = _number("eta_ddim", 0.0, "Eta for DDIM", "Eta DDIM", 1.0, "Fresh noise per step; 0 is deterministic.")
ETA_ANCESTRAL = _number("eta_ancestral", 1.0, "Eta for other samplers", "Eta", 1.0, "Fresh noise per step, 0 to 1.")
S_CHURN = _number("s_churn", 0.0, "Sigma churn", "Sigma churn", 100.0)
S_TMIN = _number("s_tmin", 0.0, "Sigma tmin", "Sigma tmin", 10.0)
S_TMAX = _number("s_tmax", 0.0, "Sigma tmax", "Sigma tmax", 999.0, "0 means no upper end.")
S_NOISE = _number("s_noise", 1.0, "Sigma noise", "Sigma noise", 1.1)
SIGMA_MIN = _number("sigma_min", 0.0, "Schedule min sigma", "Schedule min sigma", 10.0, "0 takes the model's.")
SIGMA_MAX = _number("sigma_max", 0.0, "Schedule max sigma", "Schedule max sigma", 100.0, "0 takes the model's.")
RHO = _number("rho", 0.0, "Schedule rho", "Schedule rho", 20.0, "0 takes the schedule's own: 7 for Karras.")
ENSD = define(
    Setting(
        "eta_noise_seed_delta",
        0,
        "Eta noise seed delta",
        section=SECTION,
        minimum=0,
        maximum=2**32 - 1,
        infotext="ENSD",
        hint="31337 repeats pictures of some other programs, with ancestral samplers.",
    )
)
DISCARD_PENULTIMATE = _flag(
    "always_discard_next_to_last_sigma", "Always discard next-to-last sigma", "Discard penultimate sigma"
)
SGM_NOISE = _flag("sgm_noise_multiplier", "SGM noise multiplier", "SGM noise multiplier")
NOISE_SCHEDULE = define(
    Setting(
        "sd_noise_schedule",
        "Default",
        "Noise schedule for sampling",
        section=SECTION,
        choices=("Default", "Zero Terminal SNR"),
        infotext="Noise Schedule",
    )
)
UNI_PC_VARIANT = define(
    Setting(
        "uni_pc_variant",
        "bh1",
        "UniPC variant",
        section=SECTION,
        choices=("bh1", "bh2", "vary_coeff"),
        infotext="UniPC variant",
    )
)
UNI_PC_SKIP = define(
    Setting(
        "uni_pc_skip_type",
        "time_uniform",
        "UniPC skip type",
        section=SECTION,
        choices=("time_uniform", "time_quadratic", "logSNR"),
        infotext="UniPC skip type",
    )
)
UNI_PC_ORDER = define(
    Setting("uni_pc_order", 3, "UniPC order", section=SECTION, minimum=1, maximum=5, infotext="UniPC order")
)
UNI_PC_LOWER_ORDER = define(
    Setting(
        "uni_pc_lower_order_final", True, "UniPC lower order final", section=SECTION, infotext="UniPC lower order final"
    )
)
SKIP_EARLY = _number("skip_early_cond", 0.0, "Ignore negative prompt during early sampling", "Skip Early CFG", 1.0)
NGMS = _number("s_min_uncond", 0.0, "Negative guidance minimum sigma", "NGMS", 15.0)
NGMS_ALL = _flag("s_min_uncond_all", "Negative guidance minimum sigma all steps", "NGMS all steps")
BETA_ALPHA = _number("beta_dist_alpha", 0.6, "Beta schedule alpha", "Beta schedule alpha", 3.0)
BETA_BETA = _number("beta_dist_beta", 0.6, "Beta schedule beta", "Beta schedule beta", 3.0)
NO_BROWNIAN_DETERMINISM = _flag(
    "no_dpmpp_sde_batch_determinism",
    "SDE noise of a batch from one seed",
    "",
    "Repeats old pictures; a picture of a batch then differs from the same picture alone.",
)
