"""Something launched on a pilot, from its record to its result."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse.registry.listing import Handles
    from pilothouse.runs.handle import Run


class _Callable(ModuleType):
    """A module of the same name as the function that lists what it is about."""

    def __call__(self) -> Handles[Run]:
        """The user's runs: see :func:`pilothouse.runs.handle.runs`."""
        from pilothouse.runs.handle import runs

        return runs()


sys.modules[__name__].__class__ = _Callable
