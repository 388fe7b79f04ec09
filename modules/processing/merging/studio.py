"""The part of modules.processing.engine.Engine that merging uses."""

from __future__ import annotations

from typing import Protocol

from modules.core.paths import Paths
from modules.processing.models.catalog import ModelCatalog
from modules.processing.networks.files import NetworkFiles


class Studio(Protocol):
    paths: Paths
    catalog: ModelCatalog
    networks: NetworkFiles
