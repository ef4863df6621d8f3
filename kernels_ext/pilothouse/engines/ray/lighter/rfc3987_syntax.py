"""Stands before the package of this name in Ray's processes, and becomes it when it is asked.

Each of Ray's processes imports jsonschema, this imports that package where it is installed, as it is with Jupyter, and
its parsers are then built: two seconds of computing for each of a node's half a dozen processes, which nobody uses.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

_HERE = Path(__file__).parent


def _package() -> ModuleType:
    if sys.modules.get(__name__) is _SELF:
        sys.path[:] = [folder for folder in sys.path if not (folder and Path(folder) == _HERE)]
        del sys.modules[__name__]
    return import_module(__name__)


def is_valid_syntax(term: str, value: str) -> bool:
    """Whether `value` is a `term` of RFC 3987."""
    return bool(_package().is_valid_syntax(term, value))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_package(), name)


_SELF = sys.modules[__name__]
