"""The logs and scripts of a pilot's nodes, of those that wait too, and of the job that holds its supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.errors import NotFound
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, State
from pilothouse.state import utcnow
from tests.unit.pilots.fake_commands import SINFO, FakeCommands

RESOURCES = "Resources: no node that fits is free"


@pytest.fixture
def pilot(state_home: Path) -> ph.Pilot:
    """One node has printed something, one waits in the queue, one is not submitted yet, one has left nothing."""
    nodes = [
        NodeRecord(name="anna-1", state=State.RUNNING, job="1"),
        NodeRecord(name="anna-2", state=State.PENDING, job="2", reason=RESOURCES),
        NodeRecord(name="anna-3", kind="gpu"),
        NodeRecord(name="anna-4", state=State.FAILED, job="4", reason="timeout"),
        NodeRecord(name="anna-5", state=State.STARTING, job="5"),
    ]
    PILOTS.create(
        PilotRecord(
            name="anna", site="slurm", state=State.FINISHED, created=utcnow(), nodes=nodes,
            settings={"name": "slurm", "system": "slurm"},
            description={"walltime": 600.0, "kinds": {"gpu": {"gpus": 2}}},
        )
    )  # fmt: skip
    folder = PILOTS.folder("anna")
    (folder / "supervisor.log").write_text("up\n")
    (folder / "anna-1.log").write_text("computing\n")
    (folder / "anna-1.sh").write_text("#!/bin/bash\n")
    return ph.Pilot("anna")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        ("anna-1", "computing"),
        ("anna-2", f"anna-2 has no log yet: it waits in the queue: {RESOURCES}"),
        ("anna-3", "anna-3 has no log yet: it waits to be submitted"),
        ("anna-4", "anna-4 has left no log: it failed: timeout"),
        ("anna-5", "anna-5 has no log yet: it is starting"),
        ("supervisor", "up"),
    ],
)
def test_a_node_without_a_log_says_why(pilot: ph.Pilot, node: str, text: str) -> None:
    assert pilot.logs(node) == text


def test_all_logs_are_those_that_there_are_and_what_waits(pilot: ph.Pilot) -> None:
    heads = [line for line in pilot.logs().splitlines() if line.startswith("==")]
    assert heads == ["== supervisor", "== anna-1", "== anna-2", "== anna-3"]


@pytest.mark.parametrize("name", ["anna-9", "nobody"])
def test_a_node_that_never_was_has_neither(pilot: ph.Pilot, name: str) -> None:
    for ask in (pilot.logs, pilot.script):
        with pytest.raises(NotFound, match=f"node='{name}': the pilot 'anna' has no such node"):
            ask(name)


def test_a_node_that_is_not_submitted_yet_has_the_script_of_its_kind(pilot: ph.Pilot) -> None:
    assert pilot.script("anna-1") == "#!/bin/bash\n"
    script = pilot.script("anna-3")
    assert "--name anna-3" in script
    assert "#SBATCH --gpus-per-node=2" in script


def test_the_supervisors_own_job_has_a_script_and_says_that_it_waits(state_home: Path, host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    host.prints("sbatch", "7\n")
    host.lists((tag("inside-1"), 7, "PENDING", "Resources", "N/A", "N/A", "", 0))
    host.prints("scancel", "")
    pilot = ph.submit("slurm", name="inside", nodes=2, placement="job", directives=["#SBATCH --qos=x"])
    script = pilot.script("supervisor")
    assert script == pilot.script("inside-1")
    assert "pilothouse.pilots.supervisor.owner inside inside-1" in script
    assert "#SBATCH --qos=x" in script.splitlines()
    assert pilot.logs("supervisor").startswith("inside-1 has no log yet: it waits in the queue")
    assert "inside-1 has no log yet" in pilot.logs()
    (PILOTS.folder("inside") / "inside-1.log").write_text("it is up\n")
    assert pilot.logs("supervisor") == "it is up"
