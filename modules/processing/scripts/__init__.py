"""Scripts: each makes many requests of one, in a file of its own that registers it."""

from modules.core.registry import import_folder
from modules.processing.scripts.call import Call, run_script
from modules.processing.scripts.script import Argument, Script, Wish, read_wish, register_script, scripts

__all__ = ["Argument", "Call", "Script", "Wish", "read_wish", "register_script", "run_script", "scripts"]

import_folder(__name__)
