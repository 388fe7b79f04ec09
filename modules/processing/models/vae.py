"""Which VAE decodes: the request's, the setting's, one beside the checkpoint, or the checkpoint's own."""

from __future__ import annotations

from modules.core.errors import NotFoundError
from modules.core.settings import Setting, Settings, define
from modules.processing.models.catalog import ModelCatalog, ModelFile, model_notes

VAE = define(
    Setting(
        "sd_vae",
        "Automatic",
        "VAE",
        section="VAE",
        hint="Automatic: one whose name starts with the checkpoint's. None: the one in the checkpoint.",
    )
)
VAE_FIRST = define(
    Setting(
        "sd_vae_overrides_per_model_preferences", True, "The chosen VAE goes before the model's own wish", section="VAE"
    )
)


def choose_vae(checkpoint: ModelFile, wish: str | None, catalog: ModelCatalog, settings: Settings) -> ModelFile | None:
    """The separate VAE file for this checkpoint, or None for the one inside it.

    The request's wish goes before the command line's --vae-path, and that before all settings. A wish that does not
    exist raises NotFoundError; a setting that does not is passed over.
    """
    if wish is not None and wish.casefold() not in ("", "automatic"):
        return None if wish.casefold() == "none" else catalog.find_vae(wish)
    for_all = catalog.vae_for_all()
    if for_all is not None:
        return for_all
    chosen = settings[VAE]
    automatic = chosen.casefold() in ("", "automatic") or bool(wish)
    if not automatic and settings[VAE_FIRST]:
        return _named(chosen, catalog)
    own = str(model_notes(checkpoint).get("vae") or "")
    if own and own.casefold() not in ("automatic", "none"):
        return _named(own, catalog)
    if own.casefold() == "none":
        return None
    return _beside(checkpoint, catalog) or (None if automatic else _named(chosen, catalog))


def _named(name: str, catalog: ModelCatalog) -> ModelFile | None:
    if name.casefold() == "none":
        return None
    try:
        return catalog.find_vae(name)
    except NotFoundError:
        return None


def _beside(checkpoint: ModelFile, catalog: ModelCatalog) -> ModelFile | None:
    """<checkpoint>.vae.safetensors in its folder, or a file of the VAE folders whose name starts with its stem."""
    beside = checkpoint.path.with_name(f"{checkpoint.stem}.vae.safetensors")
    if beside.is_file():
        return ModelFile(kind="vae", path=beside, name=beside.name, size=beside.stat().st_size)
    stem = checkpoint.stem.casefold()
    fitting = [one for one in catalog.vaes() if one.stem.casefold().startswith(stem) and not one.broken]
    return min(fitting, key=lambda one: len(one.name), default=None)
