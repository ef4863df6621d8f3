from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pilothouse as ph
from pilothouse.data import Ref, report, store
from pilothouse.errors import Conflict, NotFound


def _sum(ref: Ref) -> float:
    return float(ref.view().sum())


def test_tasks_on_every_node_read_one_object(local_pilot: ph.Pilot) -> None:
    ref = ph.data.put(np.arange(1e6), pilot=local_pilot)
    client = local_pilot.client()
    sums = client.run(_sum, ref)
    assert len(sums) == 2
    assert set(sums.values()) == {499999500000.0}
    ref.evict()


def test_what_a_task_puts_belongs_to_the_pilot_that_it_runs_on(local_pilot: ph.Pilot) -> None:
    before = {pilot.name for pilot in ph.pilots()}
    ref = local_pilot.client().submit(lambda: ph.data.put(np.arange(1e6)), pure=False).result()
    assert ref.pilot == local_pilot.name
    assert {pilot.name for pilot in ph.pilots()} == before
    assert ref.view().sum() == 499999500000.0
    ref.evict()


def test_a_proxy_is_an_argument_of_a_task_like_any_array(local_pilot: ph.Pilot) -> None:
    pytest.importorskip("proxystore")
    ref = ph.data.put(np.arange(1e6), pilot=local_pilot)
    found = local_pilot.client().submit(lambda array: float(array.mean()), ref.proxy(), pure=False).result()
    assert found == 499999.5
    ref.evict()


def test_another_process_uses_the_reference_as_json(local_pilot: ph.Pilot) -> None:
    ref = ph.data.put({"x": np.ones(7)}, pilot=local_pilot)
    code = "import sys, pilothouse as ph; print(ph.data.Ref.from_json(sys.argv[1]).view()['x'].sum())"
    found = subprocess.run(
        [sys.executable, "-c", code, ref.model_dump_json()], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "7.0"
    ref.evict()


@pytest.mark.slow
def test_data_goes_with_its_pilot(state_home: Path) -> None:
    with ph.submit("local", name="brief") as pilot:
        pilot.wait(timeout=60)
        ref = ph.data.put(np.arange(10), pilot=pilot)
        folder = store.NodeStore(ref.place).folder
        assert folder.exists()
    assert not folder.exists()
    assert "brief" not in {line["pilot"] for line in report()}
    with pytest.raises(NotFound, match="'brief' has no data on this node"):
        ref.view()
    with pytest.raises(Conflict, match="'brief' is finished"):
        ph.data.put(1, pilot="brief")
