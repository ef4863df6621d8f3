"""Runs of a pilot whose supervisor was killed: they go on from what they had committed, or it is said why not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Failed, NotFound
from pilothouse.registry.records import PILOTS, RUNS
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

pytestmark = pytest.mark.slow

POINTS = 400
STREAM: dict[str, Any] = {"points": POINTS, "clusters": 4, "decay": 1.0, "rate": 120.0, "partitions": 3, "seed": 5}


@pytest.fixture
def pilot(state_home: Path) -> Pilot:
    return ph.submit("local", name="frail", nodes=2, lease="1h").wait(timeout=60)


def lose(pilot: Pilot) -> None:
    """Kill the supervisor, and wait until that is known."""
    supervisor = PILOTS.read(pilot.name).supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: pilot.state == "lost", "the loss to be seen")


def events(run: Run, what: str) -> list[dict[str, Any]]:
    return [event for event in run.events() if event["what"] == what]


def last(run: Run, name: str) -> float:
    values = run.frame().columns.get(name)
    return float(values[-1]) if values is not None and len(values) else 0.0


def assert_exact(run: Run, result: Any, messages: int) -> None:
    assert int(result["produced"]) == int(result["consumed"]) == messages
    assert int(result["remaining"]) == 0
    # Without decay the weights are the number of points ever taken in: each message is in the model once.
    assert float(result["weights"].sum()) == messages * POINTS
    telemetry = run.telemetry
    for name in ("produced", "consumed", "produced_bytes", "consumed_bytes", "dropped"):
        assert (np.diff(telemetry[name]) >= 0).all(), name
    assert int(telemetry["consumed"][-1]) == messages


@pytest.mark.parametrize("consumers", [pytest.param(1, marks=pytest.mark.nightly), 2])
def test_a_stream_goes_on_where_it_was(pilot: Pilot, consumers: int) -> None:
    whole = ph.streams.run(pilot=pilot, messages=400, consumers=consumers, **STREAM).result(timeout=90)
    run = ph.streams.run(pilot=pilot, name="torn", messages=400, consumers=consumers, **STREAM)
    eventually(lambda: last(run, "consumed") > 100, "messages")
    lose(pilot)
    assert run.state == "lost"
    shown = last(run, "consumed")
    pilot.recover()
    result = run.result(timeout=90)
    assert_exact(run, result, 400)
    np.testing.assert_allclose(result["centres"], whole["centres"], rtol=1e-4)
    assert RUNS.read(run.name).resumed == 1
    (restored,) = events(run, "log restored")
    assert shown <= restored["consumed"] < 400
    assert result.attrs["drivers"] == 2
    assert result.attrs["paused_seconds"] == pytest.approx(restored["paused_s"], abs=0.001)
    assert pilot.not_recovered == []
    folder = RUNS.folder(run.name)
    assert not (folder / "log").exists()
    assert not (folder / "place.json").exists()


SLOW = """
import sys
if "pilothouse.runs.channel" in sys.orig_argv:
    import time
    from pilothouse.streams.brokers.log import Log
    save = Log.save
    Log.save = lambda log, folder: (time.sleep(8), save(log, folder))
"""


@pytest.mark.usefixtures("state_home")
def test_a_log_that_takes_long_to_copy_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a large one to a slow disk: longer than a node otherwise waits for its processes."""
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))  # which processes of the pilot get
    pilot = ph.submit("local", name="frail", nodes=2, lease="1h").wait(timeout=60)
    run = ph.streams.run(pilot=pilot, name="torn", messages=400, **STREAM)
    eventually(lambda: last(run, "consumed") > 100, "messages")
    lose(pilot)
    pilot.recover()
    assert_exact(run, run.result(timeout=120), 400)
    (restored,) = events(run, "log restored")
    assert restored["paused_s"] > 8


@pytest.mark.nightly
def test_a_stream_survives_a_second_loss_in_the_middle_of_its_recovery(pilot: Pilot) -> None:
    run = ph.streams.run(pilot=pilot, name="torn", messages=500, producers=2, consumers=2, **STREAM)
    eventually(lambda: last(run, "consumed") > 100, "messages")
    lose(pilot)
    pilot.recover()
    eventually(lambda: len(events(run, "log placed")) == 2, "the log's new place")
    lose(pilot)
    pilot.recover()
    result = run.result(timeout=90)
    assert_exact(run, result, 500)
    assert RUNS.read(run.name).resumed == 2


def test_what_can_not_go_on_is_named(pilot: Pilot) -> None:
    counting = pilot.launch("count", {"to": 100_000}, name="counting")
    eventually(lambda: counting.progress, "a count")
    lose(pilot)
    pilot.recover()
    eventually(lambda: pilot.not_recovered, "the list")
    (why,) = pilot.not_recovered
    assert "'counting'" in why
    assert "'count'" in why
    assert counting.state == "lost"


def kill_everything(pilot: Pilot, run: Run) -> None:
    """Kill supervisor, nodes and the run's processes, as a power cut does, and wait until the loss is known."""
    record = PILOTS.read(pilot.name)
    assert record.supervisor is not None
    started = [event["pid"] for event in events(run, "process started")]
    for pid in (record.supervisor.pid, *(node.pid for node in record.nodes), *started):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: pilot.state == "lost", "the loss to be seen")


LOOK = """
import pilothouse as ph

print(ph.pilots(), ph.runs())
pilot = ph.attach("frail")
assert pilot.state == "lost"
print(pilot, pilot.nodes, pilot.logs(), pilot.events(), pilot.runs(), pilot.timeline())
assert ph.attach("torn").state == "lost"
"""


def test_a_stream_whose_nodes_were_killed_too_goes_on_after_others_have_looked(pilot: Pilot) -> None:
    ref = ph.data.put(np.arange(10.0), pilot=pilot)
    run = ph.streams.run(pilot=pilot, name="torn", messages=400, consumers=2, **STREAM)
    eventually(lambda: last(run, "consumed") > 100, "messages")
    kill_everything(pilot, run)
    subprocess.run([sys.executable, "-c", LOOK], check=True, stdout=subprocess.DEVNULL)
    with ph.submit("local", name="another") as another:  # what it sweeps and puts is not ours
        ph.data.put(1, pilot=another.wait(timeout=60))
    assert ref.view().sum() == 45
    pilot.recover()
    assert_exact(run, run.result(timeout=120), 400)
    assert len(events(run, "log restored")) == 1
    assert ref.view().sum() == 45
    scratch = Path(PILOTS.read(pilot.name).scratch)
    pilot.cancel()
    assert not scratch.exists()
    with pytest.raises(NotFound):
        ref.get()


def test_a_log_that_died_with_its_nodes_is_said_to_be_lost(pilot: Pilot) -> None:
    run = ph.streams.run(pilot=pilot, name="gone", messages=100_000, **STREAM)
    eventually(lambda: last(run, "consumed") > 100, "messages")
    kill_everything(pilot, run)
    (placed,) = events(run, "log placed")
    shutil.rmtree(placed["path"])  # with the disk of its node
    pilot.recover()
    with pytest.raises(Failed, match=r"log.*is gone with that node"):
        run.result(timeout=90)


def test_an_analysis_computes_only_what_is_missing(pilot: Pilot, tmp_path: Path) -> None:
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.base import AnalysisFromFunction
    from MDAnalysisTests.datafiles import DCD, PSF

    calpha = mda.Universe(PSF, DCD).select_atoms("name CA")
    notes = tmp_path / "frames"
    notes.touch()

    def slow(atoms: Any, path: str) -> Any:
        import time
        from pathlib import Path

        while atoms.universe.trajectory.frame >= 60 and not Path(path).with_name("go").exists():
            time.sleep(0.05)
        with open(path, "a") as file:
            file.write(f"{atoms.universe.trajectory.frame}\n")
        return atoms.center_of_mass()

    def noted() -> list[int]:
        return [int(line) for line in notes.read_text().split()]

    run = ph.md.analyse.submit(AnalysisFromFunction, slow, calpha, str(notes), pilot=pilot, name="torn")
    parts = RUNS.folder(run.name) / "parts"
    eventually(lambda: len(list(parts.glob("*.pkl"))) >= 5 and (run.progress or {"done": 0})["done"], "some parts")
    lose(pilot)  # in the middle: the last frames wait for a word, and each node takes two parts at most by itself
    (tmp_path / "go").touch()
    nodes = PILOTS.read(pilot.name).nodes
    eventually(lambda: not any(remains.lives(node.pid) for node in nodes), "the old workers to end")
    kept = {int(path.stem) for path in parts.glob("*.pkl")}
    before = len(noted())
    pilot.recover()
    found = run.result(timeout=120)
    whole = ph.md.analyse(AnalysisFromFunction, slow, calpha, str(tmp_path / "other"), pilot=pilot)
    assert (found["timeseries"].values == whole["timeseries"].values).all()
    assert (found.time.values == whole.time.values).all()
    (event,) = events(run, "parts found")
    assert event["found"] == len(kept)
    assert event["parts"] == 16
    assert 0 < len(kept) < 16
    assert sorted(set(noted())) == list(range(98))
    computed = len(noted()) - before
    sizes = [len(part) for part in np.array_split(np.arange(98), 16)]
    assert computed == sum(size for number, size in enumerate(sizes) if number not in kept)
    assert (np.diff(run.telemetry["frames"]) >= 0).all()
    assert RUNS.read(run.name).resumed == 1
    assert not parts.exists()


@pytest.mark.nightly
def test_a_path_similarity_compares_only_what_is_missing(pilot: Pilot) -> None:
    pytest.importorskip("MDAnalysis")
    rng = np.random.default_rng(3)
    paths = [rng.normal(size=(400, 60, 3)) for _ in range(24)]
    whole = ph.md.psa(paths, pilot=pilot)
    run = ph.md.psa.submit(paths, pilot=pilot, name="torn")
    parts = RUNS.folder(run.name) / "parts"
    eventually(lambda: len(list(parts.glob("*.pkl"))) >= 2, "some blocks")
    lose(pilot)
    pilot.recover()
    found = run.result(timeout=120)
    for name in ("hausdorff", "hausdorff_frame_a", "hausdorff_frame_b"):
        assert (found[name].values == whole[name].values).all(), name
    (event,) = events(run, "parts found")
    assert 2 <= event["found"] < event["parts"] == json.loads(str(found.attrs["blocks"]))
    assert not parts.exists()
