"""The engine owns what other programs keep in globals: settings, the catalog, the loaded model, hooks, styles.

Made at start without torch; the worker thread imports it. All public methods may be called from any thread.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil
from PIL import ImageOps

from modules.core.errors import EaselError
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.imaging import grids, saving  # noqa: F401  # what they declare is settable before the first picture
from modules.imaging.inputs import PictureStore
from modules.imaging.masks import mask_box, painted_box, read_mask
from modules.processing import extras, options  # noqa: F401  # what extras declare is settable too
from modules.processing.faces import Faces
from modules.processing.hooks import RESOLVED, Hooks
from modules.processing.info import Result, result_info
from modules.processing.memory import device_name, resolve_mode
from modules.processing.models.catalog import ModelCatalog, ModelFile
from modules.processing.models.hashes import HashCache
from modules.processing.models.vae import choose_vae
from modules.processing.networks.embeddings import EmbeddingFiles, fitting, model_widths
from modules.processing.networks.files import NetworkFiles
from modules.processing.networks.hashes import with_digests
from modules.processing.plan import Plan
from modules.processing.progress import Control, Report, no_report
from modules.processing.requests import Generate, MaskedImage, references
from modules.processing.resolve import resolve
from modules.processing.resolve_embeddings import embedding_index, prompt_tokenizer, with_embeddings
from modules.processing.resolve_parts import Library
from modules.processing.scripts import read_wish, run_script
from modules.processing.upscalers import LATENT_MODES, Upscalers
from modules.prompting.chunks import count_tokens
from modules.prompting.clip_tokenizer import ClipTokenizer
from modules.prompting.styles import StyleBook

if TYPE_CHECKING:
    from modules.processing.invert import Inversion
    from modules.processing.models.loader import LoadedModel
    from modules.processing.models.store import ModelStore
    from modules.processing.runner import RunContext
    from modules.processing.stages.conditioning import ConditioningCache

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """What the model is doing: for the page's chips and its loading state."""

    state: Literal["cold", "loading", "ready", "failed"] = "cold"
    model: str = ""  # title of the loaded or loading checkpoint
    detail: str = ""  # "importing torch", "reading unet", or the error
    bytes: int = 0
    seconds: float = 0.0
    device: str = ""  # "cpu", "cuda: NVIDIA ..."
    mode: str = ""  # memory mode
    memory_bytes: int = 0
    memory_total_bytes: int = 0


def is_blank(inputs: PictureStore, source: MaskedImage) -> bool:
    """Whether a mask leaves nothing to be painted; UserError where that much must be there."""
    mask = read_mask(inputs.open(source.mask.image), round=source.mask.round and source.soft is None)
    mask = ImageOps.invert(mask) if source.mask.invert else mask
    if source.padding is not None:
        painted_box(mask, source.padding)
    return mask_box(mask) is None


class Engine:
    """Resolves and runs requests over one model store. One worker thread per device calls `run`."""

    def __init__(self, paths: Paths, settings: Settings, *, allow_pickle: bool = False, hashing: bool = True) -> None:
        self.paths = paths
        self.settings = settings
        self.hooks = Hooks()
        self.styles = StyleBook(*paths.styles)
        self.inputs = PictureStore(paths.cache / "inputs")
        hashes = HashCache(paths.cache, enabled=hashing)
        self.catalog = ModelCatalog(paths, hashes)
        self.networks = NetworkFiles(paths, hashes, allow_pickle=allow_pickle)
        self.embeddings = EmbeddingFiles(self.catalog, allow_pickle=allow_pickle)
        self.faces = Faces(paths, allow_pickle=allow_pickle)
        self.upscalers = Upscalers(paths, settings, allow_pickle=allow_pickle)
        self._allow_pickle = allow_pickle
        self._lock = threading.Lock()  # one at a time may load, run or unload
        self._store: ModelStore | None = None
        self._cache: ConditioningCache | None = None
        self._status = EngineStatus()
        self._loading_since: float | None = None

    def resolve(self, request: Generate) -> Plan:
        """Decide everything the request left open; UserError names the field that cannot be granted."""
        for reference in references(request):
            self.inputs.path(reference)  # told now, not when its turn comes
        if request.after.script is not None:
            script, wish = read_wish(request, self)
            script.expected(wish)  # told now, not when its turn comes
        plan = self.decide(request, self.settings)
        if plan.hires is not None and plan.hires.upscaler not in LATENT_MODES:
            self.upscalers.find(plan.hires.upscaler)
        if isinstance(plan.request.source, MaskedImage) and is_blank(self.inputs, plan.request.source):
            plan = dataclasses.replace(plan, notes=(*plan.notes, "The mask is blank, so nothing was painted anew."))
        return self.hooks.run(RESOLVED, plan)

    def decide(self, request: Generate, settings: Settings) -> Plan:
        """The plan under other settings than the stored ones; nothing else is checked and no hook asked."""
        plan = resolve(request, settings, Library(self.catalog, self.networks, self.styles))
        return with_embeddings(plan, self.embeddings)

    def run(self, request: Generate, *, control: Control | None = None, report: Report = no_report) -> Result:
        """Make the pictures, through the request's script where it names one. Seeds drawn are told in the result."""
        if request.after.script is not None:
            return run_script(self, request, control or Control(), report)
        return self.run_plan(self.resolve(request), control=control, report=report)

    def run_plan(self, plan: Plan, *, control: Control | None = None, report: Report = no_report) -> Result:
        """Make the pictures of a decided request, without its script."""
        with self._lock:
            from modules.processing import runner
            from modules.processing.memory.peak import PeakMemory

            begun = time.monotonic()
            plan = with_digests(plan, self.networks)
            settings = self.settings.with_overrides(plan.request.overrides)
            if settings[options.LOG_PROMPTS]:
                log.info("Prompt: %s\nNegative prompt: %s", plan.request.prompt.positive, plan.request.prompt.negative)
            with PeakMemory() as peak:
                made = runner.run(plan, self._context(settings, control or Control(), report))
            return Result(
                pictures=tuple(made.pictures),
                info=result_info(plan, made.pictures),
                seconds=time.monotonic() - begun,
                peak_bytes=peak.bytes,
                interrupted=made.interrupted,
            )

    def invert(self, request: Generate, *, adjust: bool, control: Control) -> Inversion:
        """The noise that a request's source would come from; see modules.processing.invert. May raise Interrupted."""
        plan = self.resolve(request)
        with self._lock:
            from modules.processing.invert import invert

            settings = self.settings.with_overrides(plan.request.overrides)
            return invert(plan, self._context(settings, control, no_report), adjust=adjust)

    def preload(self) -> None:
        """Load the chosen checkpoint now, so that the first picture need not wait. Never raises; see status()."""
        try:
            with self._lock:
                self._set_status(state="loading", model="", detail="looking for models")
                self.catalog.refresh()
                checkpoint = self.catalog.default(self.settings)
                self._set_status(state="loading", model=checkpoint.title, detail="importing torch")
                vae = choose_vae(checkpoint, None, self.catalog, self.settings)
                self._load(checkpoint, vae, resolve_mode(self.settings))
        except EaselError as error:
            self._set_status(state="failed", detail=str(error))
        except Exception as error:  # told on the page; the trace goes to the log
            log.exception("The model could not be loaded.")
            self._set_status(state="failed", detail=f"{type(error).__name__}: {error}")

    def start_hashing(self) -> None:
        """Compute the unknown hashes of checkpoints, VAEs and networks in the background."""
        self.catalog.hashes.start(self.catalog.unhashed(), self.networks.unhashed())

    def unload(self) -> None:
        """Give the model's memory back."""
        with self._lock:
            if self._store is not None:
                self._store.unload()
            if self._cache is not None:
                self._cache.clear()
            self.upscalers.unload()
            self.faces.unload()
            self._set_status(state="cold", model="", detail="", bytes=0)

    def status(self) -> EngineStatus:
        memory = psutil.virtual_memory()
        now = self._status
        seconds = time.monotonic() - self._loading_since if self._loading_since else now.seconds
        return dataclasses.replace(
            now,
            seconds=seconds,
            mode=resolve_mode(self.settings),
            device=device_name(),
            memory_bytes=psutil.Process().memory_info().rss,
            memory_total_bytes=memory.total,
        )

    def count_tokens(self, prompt: str, styles: tuple[str, ...] = (), *, negative: bool = False) -> tuple[int, int]:
        """Tokens used and the capacity of the chunks they fill: (12, 75)."""
        known = tuple(name for name in styles if name in self.styles)
        positive, negated = self.styles.apply("" if negative else prompt, prompt if negative else "", known)
        text = negated if negative else positive
        try:
            checkpoint = self.catalog.default(self.settings)
        except EaselError:
            return count_tokens(text, ClipTokenizer.clip())
        tokenizer = prompt_tokenizer(checkpoint)
        usable = fitting(self.embeddings.files(), model_widths(checkpoint))
        index = embedding_index(tuple((name, one.vectors) for name, one in usable.items()), tokenizer)
        return count_tokens(text, tokenizer, embeddings=index)

    def _conditionings(self) -> ConditioningCache:
        from modules.processing.stages.conditioning import ConditioningCache

        limit = self.settings[options.CONDITIONING_CACHE_MB] * 1024 * 1024
        if self._cache is None:
            self._cache = ConditioningCache(limit)
        self._cache.limit_bytes = limit
        return self._cache

    def _context(self, settings: Settings, control: Control, report: Report) -> RunContext:
        from modules.processing.networks.apply import apply_networks
        from modules.processing.runner import RunContext

        return RunContext(
            load=self._load,
            apply=functools.partial(apply_networks, allow_pickle=self._allow_pickle),
            cache=self._conditionings(),
            inputs=self.inputs,
            upscalers=self.upscalers,
            hooks=self.hooks,
            settings=settings,
            paths=self.paths,
            control=control,
            report=report,
        )

    def _load(self, checkpoint: ModelFile, vae: ModelFile | None, mode: str) -> LoadedModel:
        from modules.processing.models.store import ModelStore

        if self._store is None:
            self._store = ModelStore(self.catalog, self.settings, allow_pickle=self._allow_pickle)
        if self._status.state != "ready" or self._status.model != checkpoint.title:
            self._set_status(state="loading", model=checkpoint.title, detail="reading weights", bytes=checkpoint.size)
        try:
            model = self._store.load(checkpoint, vae, mode)
        except BaseException as error:
            self._set_status(state="failed", model=checkpoint.title, detail=str(error))
            raise
        self._set_status(state="ready", model=checkpoint.title, detail="", bytes=model.bytes)
        return model

    def _set_status(self, **changes: object) -> None:
        begins = changes.get("state") == "loading"
        if begins and self._loading_since is None:
            self._loading_since = time.monotonic()
        if not begins:
            took = time.monotonic() - self._loading_since if self._loading_since else 0.0
            self._loading_since = None
            changes = {"seconds": took or self._status.seconds, **changes}
        self._status = dataclasses.replace(self._status, **changes)  # type: ignore[arg-type]
