"""A node is killed under an analysis: another one goes on with the parts that are not done."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pilothouse as ph
from tests.waiting import eventually


def test_an_analysis_goes_on_when_the_node_of_its_process_is_killed(state_home: Path) -> None:
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.base import AnalysisFromFunction
    from MDAnalysisTests.datafiles import DCD, PSF

    calpha = mda.Universe(PSF, DCD).select_atoms("name CA")

    def slow(atoms: Any) -> Any:
        import time

        time.sleep(0.1)  # so that there is a middle
        return atoms.center_of_mass()

    pilot = ph.submit("local", name="mortal", nodes=2, cores=1, lease="1h").wait(timeout=60)
    run = ph.md.analyse.submit(AnalysisFromFunction, slow, calpha, pilot=pilot)
    eventually(lambda: (run.progress or {"done": 0})["done"], "some parts")
    (started,) = [event for event in run.events() if event["what"] == "process started"]
    os.kill(next(node.pid for node in pilot.nodes if node.name == started["node"]), signal.SIGKILL)
    found = run.result(timeout=120)
    serial = np.array([calpha.center_of_mass() for _ in calpha.universe.trajectory])
    assert (found["timeseries"].values == serial).all()
    assert [event["label"] for event in run.events() if event["what"] == "process died"] == ["analysis"]
    assert [event for event in run.events() if event["what"] == "parts found"]
