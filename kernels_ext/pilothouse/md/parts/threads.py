"""One BLAS thread per worker thread: a pilot's node has as many workers' threads as cores already."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any


@functools.cache
def _controller(_modules: int) -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def single_threaded() -> AbstractContextManager[Any]:
    """Within this context BLAS and OpenMP use one thread each (nothing changes where threadpoolctl is missing)."""
    try:
        return _controller(_loaded()).limit(limits=1)  # type: ignore[no-any-return]
    except ImportError:
        return nullcontext()


def _loaded() -> int:
    """Changes when SciPy brings a BLAS of its own into a process that had NumPy's only."""
    import sys

    return sum(name in sys.modules for name in ("scipy.linalg", "scipy.spatial", "sklearn"))
