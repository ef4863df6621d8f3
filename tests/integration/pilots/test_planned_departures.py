"""Nodes are given back, renewed and told to end at random, under a stream, tasks and an analysis: nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pilothouse as ph
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

POINTS = 100


@pytest.fixture
def pilot(state_home: Path) -> Pilot:
    return ph.submit("local", name="changing", nodes=2, cores=2, lease="2h").wait(timeout=60)


def nodes(pilot: Pilot) -> list[Any]:
    return [node for node in pilot.nodes if not node.state.ended]


def whole(pilot: Pilot, number: int) -> bool:
    """Whether the pilot has so many nodes, all of them at work, and none is on its way."""
    found = nodes(pilot)
    return len(found) == number and all(node.state == "running" and not node.leaving for node in found)


class Departures:
    """The ways in which a node goes that somebody has planned; after each, the pilot has two or three again."""

    def __init__(self, pilot: Pilot, dice: random.Random) -> None:
        self.pilot, self.dice = pilot, dice

    def shrink(self) -> None:
        self.pilot.shrink(1)
        eventually(lambda: whole(self.pilot, 1), "one node", within=180)
        self.pilot.extend(1)

    def renew(self) -> None:
        before = {node.name for node in nodes(self.pilot)}
        self.pilot.renew()
        eventually(lambda: not before & {node.name for node in nodes(self.pilot)}, "other nodes", within=180)

    def job_told_to_end(self) -> None:
        node = self.dice.choice(nodes(self.pilot))
        os.kill(node.pid, signal.SIGTERM)
        eventually(lambda: node.name not in {node.name for node in nodes(self.pilot)}, f"the end of {node.name}")

    def adapt(self) -> None:
        """To what the load asks for, down to one node; the tasks ask for more again."""
        self.pilot.adapt(1, 3)
        time.sleep(self.dice.uniform(0.5, 3.0))
        self.pilot.scale(2)

    def happen(self, times: int) -> list[str]:
        """So many of them, in a random order; each as often as the others."""
        ways: list[Callable[[], None]] = [self.shrink, self.renew, self.job_told_to_end, self.adapt]
        chosen = [ways[i % len(ways)] for i in range(times)]
        self.dice.shuffle(chosen)
        for way in chosen:
            way()
            eventually(lambda: whole(self.pilot, 2), f"two nodes after {way.__name__}", within=180)
        return [way.__name__ for way in chosen]


class Work:
    """A stream, tasks and an analysis at the same time, each with its own account of what was done."""

    def __init__(self, pilot: Pilot, folder: Path, tasks: int) -> None:
        import MDAnalysis
        from MDAnalysis.analysis.base import AnalysisFromFunction
        from MDAnalysisTests.datafiles import DCD, PSF

        self.pilot, self.folder, self.tasks = pilot, folder, tasks
        self.calpha = MDAnalysis.Universe(PSF, DCD).select_atoms("name CA")
        pause = tasks * 0.02  # of the analysis, whose 98 frames last about as long

        def slow(atoms: Any) -> Any:
            time.sleep(pause)
            return atoms.center_of_mass()

        self.analysis = ph.md.analyse.submit(AnalysisFromFunction, slow, self.calpha, pilot=pilot, name="analysis")
        self.stream: Run = ph.streams.run(
            pilot=pilot, name="stream", rate=50, points=POINTS, producers=2, consumers=2, partitions=3, decay=1.0
        )
        script = f"echo {{i}} >> {folder}/begun; sleep 1; echo {{i}} >> {folder}/ended"
        self.executed = pilot.map_execute(["sh", "-c", script], [{"i": i} for i in range(tasks)], name="tasks")
        eventually(lambda: (folder / "ended").exists(), "a task")
        eventually(lambda: self.consumed() > 20, "messages")

    def consumed(self) -> float:
        values = self.stream.frame().columns.get("consumed")
        return float(values[-1]) if values is not None and len(values) else 0.0

    def assert_nothing_lost_or_doubled(self) -> dict[str, float]:
        before = self.consumed()
        eventually(lambda: self.consumed() > before, "more messages")
        self.stream.stop()
        result = self.stream.result(timeout=60)
        produced, consumed, remaining = (int(result[name]) for name in ("produced", "consumed", "remaining"))
        assert produced == consumed + remaining
        # Without decay the weights are the number of points ever taken in: each message is in the model once.
        assert float(result["weights"].sum()) == consumed * POINTS
        for name in ("produced", "consumed", "produced_bytes", "consumed_bytes"):
            assert (np.diff(self.stream.telemetry[name]) >= 0).all(), name

        assert set(self.executed.result(timeout=600)["state"].values) == {"finished"}
        ended = Counter(int(line) for line in (self.folder / "ended").read_text().split())
        assert ended == Counter(range(self.tasks)), "each came to its end once"

        found = self.analysis.result(timeout=600)
        serial = np.array([self.calpha.center_of_mass() for _ in self.calpha.universe.trajectory])
        assert (found["timeseries"].values == serial).all()
        begun = len((self.folder / "begun").read_text().split())
        return {"messages": consumed, "remaining": remaining, "tasks": self.tasks, "begun": begun,
                "moves": result.attrs["moves"], "restarts": result.attrs["restarts"]}  # fmt: skip


def departures(pilot: Pilot, folder: Path, times: int, tasks: int) -> None:
    seed = int(os.environ.get("PILOTHOUSE_CHAOS_SEED") or random.randrange(10**6))
    print(f"PILOTHOUSE_CHAOS_SEED={seed} makes the same choices again")
    work = Work(pilot, folder, tasks)
    ways = Departures(pilot, random.Random(seed)).happen(times)
    print(ways, work.assert_nothing_lost_or_doubled())


@pytest.mark.slow
def test_nothing_is_lost_when_nodes_leave(pilot: Pilot, tmp_path: Path) -> None:
    departures(pilot, tmp_path, times=4, tasks=30)


@pytest.mark.slow  # for whoever chooses by -m himself
@pytest.mark.nightly
@pytest.mark.timeout(3000)
def test_nothing_is_lost_when_many_nodes_leave(pilot: Pilot, tmp_path: Path) -> None:
    departures(pilot, tmp_path, times=20, tasks=200)
