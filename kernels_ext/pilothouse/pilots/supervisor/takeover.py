"""What a supervisor does with what its predecessor left: jobs that still run, runs that can go on."""

from __future__ import annotations

from pilothouse.pilots.supervisor.recovery import is_resumable
from pilothouse.registry.journal import Journal
from pilothouse.registry.owning import change
from pilothouse.registry.records import RUNS, PilotRecord, RunRecord, State, runs_on
from pilothouse.runs.host import RunHost
from pilothouse.state import utcnow


def adopt_nodes(record: PilotRecord, journal: Journal) -> None:
    """Take the predecessor's nodes back into the set-point: the batch system will say which of them still run."""
    if record.generation == 1:
        return
    adopted = []
    for node in record.nodes:
        if node.state is State.LOST or not node.state.ended:
            node.state, node.reason, node.ended, node.leaving, node.address = State.PENDING, "adopted", None, False, ""
            node.since = utcnow()
            if node.role == "first":
                node.role = "node"
            adopted.append(node.name)
    journal.add("taken over", generation=record.generation, nodes=adopted)


def resume_runs(record: PilotRecord, runs: RunHost, journal: Journal) -> None:
    """Go on with the runs that can, from what they had committed; say which can't."""
    if record.generation == 1:
        return
    record.not_recovered = []
    for run in runs_on(record):
        if run.state.ended and run.state is not State.LOST:
            continue
        why = "" if is_resumable(run.kind) else f"run {run.name!r}: a run of kind {run.kind!r} can't be continued"
        try:
            if not why:
                change(RUNS, run, _go_on)
                runs.launch(run.name)
                journal.add("run continued", run=run.name)
                continue
            if not run.state.ended:
                change(RUNS, run, _lose)
        except OSError as error:  # a full home must not end the jobs that this supervisor has just taken over
            why = why or f"run {run.name!r}: its record can't be written: {error.strerror}"
        record.not_recovered.append(why)
        journal.add("run not continued", run=run.name, reason=why)


def _go_on(run: RunRecord) -> None:
    run.state, run.reason, run.ended, run.resumed = State.STARTING, "", None, run.resumed + 1


def _lose(run: RunRecord) -> None:
    run.state, run.reason, run.ended = State.LOST, "its supervisor has gone", utcnow()
