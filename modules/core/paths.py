"""Where a person's files live: A1111's folder names below the data and models folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UPSCALERS = ("ESRGAN", "RealESRGAN", "BSRGAN", "DAT", "HAT", "SwinIR", "ScuNET")


@dataclass(frozen=True)
class Paths:
    """`data` holds outputs, settings, the queue; `models` the model folders. Embedded models stay in the program."""

    data: Path = ROOT
    models: Path = ROOT / "models"
    extra_checkpoints: tuple[Path, ...] = ()  # --ckpt-dir, may repeat
    extra: dict[str, Path] = field(default_factory=dict)  # kind -> folder, from --vae-dir, --embeddings-dir, ...
    vae_for_all: Path | None = None  # --vae-path
    styles_files: tuple[Path, ...] = ()  # --styles-file, may repeat

    @property
    def checkpoints(self) -> list[Path]:
        found = [self.models / "Stable-diffusion", ROOT / "models" / "Stable-diffusion", *self.extra_checkpoints]
        return list(dict.fromkeys(found))

    def kind(self, name: str, *default: str) -> list[Path]:
        """Folders of one kind, the person's own first: kind("vae", "VAE")."""
        own = [self.extra[name]] if name in self.extra else []
        return own + [self.models / one for one in default]

    @property
    def vaes(self) -> list[Path]:
        return self.kind("vae", "VAE")

    @property
    def embeddings(self) -> list[Path]:
        return [*self.kind("embeddings", "embeddings"), self.data / "embeddings"]

    @property
    def networks(self) -> list[Path]:
        """LoRA and its relatives: A1111's folders."""
        return [*self.kind("lora", "Lora"), *self.kind("lycoris", "LyCORIS")]

    @property
    def vae_approx(self) -> list[Path]:
        return self.kind("vae_approx", "VAE-approx")

    @property
    def upscalers(self) -> list[tuple[str, Path]]:
        """(A1111's name of the folder's kind, folder); --upscaler-dir counts as ESRGAN."""
        own = [(name, one) for name in UPSCALERS for one in self.kind(name.lower(), name)]
        return [*own, *(("ESRGAN", one) for one in self.kind("upscaler"))]

    @property
    def gfpgan(self) -> list[Path]:
        return self.kind("gfpgan", "GFPGAN")

    @property
    def codeformer(self) -> list[Path]:
        return self.kind("codeformer", "Codeformer")

    @property
    def outputs(self) -> Path:
        return self.data / "outputs"

    @property
    def results(self) -> Path:
        """Pictures of jobs that were asked not to be saved; kept until their job is cleared."""
        return self.data / "cache" / "results"

    @property
    def cache(self) -> Path:
        return self.data / "cache"

    @property
    def config(self) -> Path:
        return self.extra.get("config", self.data / "config.json")

    @property
    def database(self) -> Path:
        return self.data / "easel.db"

    @property
    def styles(self) -> tuple[Path, ...]:
        """Never empty; new styles go into the first."""
        return self.styles_files or (self.data / "styles.csv",)

    @property
    def params(self) -> Path:
        return self.data / "params.txt"
