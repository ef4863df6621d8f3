"""What is said of a task before it is launched."""

from __future__ import annotations

import warnings

import pytest

from pilothouse.registry.records import PilotRecord
from pilothouse.runs.cores import Need
from pilothouse.state import utcnow
from pilothouse.tasks.executing import _warn_of_walltime


def pilot(**description: object) -> PilotRecord:
    return PilotRecord(name="p", site="s", created=utcnow(), description={"cores": 4, **description})


def test_a_timeout_that_no_node_lasts_for_is_said() -> None:
    kinds = {"large": {"cores": 8, "walltime": 7200.0}}
    with pytest.warns(UserWarning, match=r"timeout=5000 s: .* 'p' last for 3600 s"):
        _warn_of_walltime(5000.0, Need(1), pilot(walltime=3600.0))
    with pytest.warns(UserWarning, match=r"last for 7200 s"):
        _warn_of_walltime(8000.0, Need(8), pilot(walltime=3600.0, kinds=kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _warn_of_walltime(5000.0, Need(8), pilot(walltime=3600.0, kinds=kinds))
        _warn_of_walltime(5000.0, Need(1), pilot())
        _warn_of_walltime(None, Need(1), pilot(walltime=3600.0))
