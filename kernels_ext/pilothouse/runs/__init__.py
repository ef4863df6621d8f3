"""Something launched on a pilot, from its record to its result."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse.pilots.listing import Handles
    from pilothouse.pilots.run import Run


class _Callable(ModuleType):
    """A module of the same name as the function that lists what it is about."""

    def __call__(self) -> Handles[Run]:
        """The user's runs: see :func:`pilothouse.pilots.run.runs`."""
        from pilothouse.pilots.run import runs

        return runs()


sys.modules[__name__].__class__ = _Callable
