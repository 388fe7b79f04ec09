from __future__ import annotations

import gc
import weakref
from pathlib import Path

import psutil

from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.processing.models.catalog import ModelCatalog
from modules.processing.models.hashes import HashCache
from modules.processing.models.store import ModelStore
from tests.processing.models import tiny


def _store(root: Path, **values: object) -> tuple[ModelCatalog, ModelStore]:
    for seed in (0, 1):
        tiny.make_tiny_sd1(root / "models" / "Stable-diffusion" / f"m{seed}", seed=seed)
    catalog = ModelCatalog(Paths(data=root, models=root / "models"), HashCache(root / "cache"))
    return catalog, ModelStore(catalog, Settings(None, values))


def test_switching_30_times_leaves_memory_where_it_was(tmp_path: Path) -> None:
    catalog, store = _store(tmp_path)
    files = [catalog.find_checkpoint("m0"), catalog.find_checkpoint("m1")]
    alive: list[weakref.ref[object]] = []
    process = psutil.Process()
    before = 0
    for turn in range(30):
        model = store.load(files[turn % 2], None, "fp32")
        alive.extend(weakref.ref(part) for part in model.modules)
        del model
        if turn == 9:
            before = process.memory_info().rss
    gc.collect()
    assert sum(one() is not None for one in alive) == len(store.loaded[0].modules)
    assert process.memory_info().rss - before < 40 * 2**20
    store.unload()
    gc.collect()
    assert not any(one() for one in alive)


def test_a_loaded_model_is_given_again_and_the_oldest_makes_room(tmp_path: Path) -> None:
    catalog, store = _store(tmp_path, sd_checkpoints_limit=2)
    states: list[tuple[str, str]] = []
    store.on_state(lambda state, title: states.append((state, title)))
    zero, one = catalog.find_checkpoint("m0"), catalog.find_checkpoint("m1")
    first = store.load(zero, None, "fp32")
    store.load(one, None, "fp32")
    assert store.load(zero, None, "fp32") is first
    store.load(zero, None, "bf16")
    assert [(model.file.stem, model.mode.name) for model in store.loaded] == [("m0", "bf16"), ("m0", "fp32")]
    assert states[-2] == ("loading", zero.title)
    assert ("unloaded", one.title) in states
