"""An interrupt in the middle of a launch: the run is there, whole, or it is not."""

from __future__ import annotations

from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import NotFound
from pilothouse.registry.line import client as control


@pytest.mark.parametrize("asked", [False, True], ids=["before it was asked for", "before the answer was heard"])
def test_an_interrupt_leaves_no_half_run(local_pilot: ph.Pilot, monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    call = control.call

    def interrupted(path: str, op: str, *arguments: Any, **options: Any) -> Any:
        if op != "launch":
            return call(path, op, *arguments, **options)
        if asked:
            call(path, op, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(control, "call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        local_pilot.launch("count", {"to": 100_000}, name="half")
    if asked:
        run = ph.attach("half")
        assert isinstance(run, ph.Run)
        run.stop()
        assert run.state == "finished"
    else:
        with pytest.raises(NotFound):
            ph.attach("half")
        assert "half" not in {run.name for run in local_pilot.runs()}
