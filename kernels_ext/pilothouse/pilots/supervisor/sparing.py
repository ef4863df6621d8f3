"""What keeps a supervisor small: there is one for each pilot, on hosts that many people share."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable


def import_dask() -> None:
    """Import Dask without numpy, which has 12 MB: it is for its buffers, and a supervisor that is idle has none."""
    if not {"numpy", "distributed"}.isdisjoint(sys.modules):
        return
    sys.modules["numpy"] = None  # type: ignore[assignment]  # which makes its import fail
    try:
        importlib.import_module("distributed")
    finally:
        del sys.modules["numpy"]


def give_numpy() -> None:
    """Have Dask's buffers be numpy's, as they are where nothing was spared: what comes in is written but once."""
    importlib.import_module("numpy")
    buffers = importlib.reload(importlib.import_module("distributed.protocol.utils"))
    importlib.import_module("distributed.comm.tcp").host_array = buffers.host_array  # type: ignore[attr-defined]


def in_child(work: Callable[[], object]) -> Callable[[], bool]:
    """Begin `work` in a fork, which takes with it what that imports; call before there are threads.

    Returns
    -------
    Callable
        Waits for its end; whether it was done. What it raised is printed.
    """
    child = os.fork()
    if child:
        return lambda: os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        work()
        code = 0
    except Exception:  # noqa: BLE001 - the child of a fork must not go on in its parent's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
