"""Working on pictures that are there already: larger, with better faces, cut and captioned."""

from modules.core.registry import import_folder
from modules.processing.extras.request import ExtrasRequest
from modules.processing.extras.run import Extras, ExtrasResult

__all__ = ["Extras", "ExtrasRequest", "ExtrasResult"]

import_folder("modules.processing.extras.operations")
