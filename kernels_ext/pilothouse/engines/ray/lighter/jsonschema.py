"""Stands before the package of this name in Ray's processes: it is loaded when something asks it for anything.

Each of them imports it, for what a ``runtime_env`` says: a fifth of the time that they take to start. They may
have another Python than pilothouse, so nothing but its standard library is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import LazyLoader, module_from_spec
from pathlib import Path


def _stand_back() -> None:
    here = Path(__file__).parent
    others = [folder for folder in sys.path if not (folder and Path(folder) == here)]
    del sys.modules[__name__]
    spec = PathFinder.find_spec(__name__, others)
    if spec is None or spec.loader is None:  # what else can find it, if anything
        sys.path[:] = others
        import_module(__name__)
        return
    spec.loader = loader = LazyLoader(spec.loader)
    sys.modules[__name__] = module = module_from_spec(spec)
    loader.exec_module(module)


_stand_back()
