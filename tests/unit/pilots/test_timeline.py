"""The timeline of a pilot from its record, its ended nodes, its runs and its journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.pilots.timeline import MOST_ROWS, Timeline, timeline
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import PILOTS, RUNS, NodeRecord, PilotRecord, RunRecord, State

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def node(name: str, state: State, *times: float | None, **more: Any) -> NodeRecord:
    fields = ("submitted", "started", "connected", "ended")
    given = {field: None if time is None else at(time) for field, time in zip(fields, times, strict=True)}
    return NodeRecord.model_validate({"name": name, "state": state, "since": T0, **given, **more})


@pytest.fixture
def record(state_home: Path) -> PilotRecord:
    return PilotRecord(name="p", site="slurm", created=T0, ended=at(100), state=State.FINISHED)


def bars(made: Timeline) -> list[tuple[str, str, float, float]]:
    return [
        (bar.name, bar.phase, (bar.begin - T0).total_seconds(), (bar.end - T0).total_seconds()) for bar in made.bars
    ]


def test_a_node_waits_starts_and_runs_until_it_ends(record: PilotRecord) -> None:
    record.nodes = [
        node("p-1", State.FINISHED, 0, 30, 35, 90, job="17", host="n1"),
        node("p-2", State.PENDING, 10, None, None, None, reason="Resources"),
        node("p-3", State.FAILED, 20, 30, None, 40),
    ]
    made = timeline(record)
    assert bars(made) == [
        ("p-1", "waiting", 0, 30), ("p-1", "starting", 30, 35), ("p-1", "running", 35, 90),
        ("p-2", "waiting", 10, 100),
        ("p-3", "waiting", 20, 30), ("p-3", "starting", 30, 40),
    ]  # fmt: skip
    assert (made.begin, made.end) == (T0, at(100))
    assert (made.bars[0].job, made.bars[0].host, made.bars[3].reason) == ("17", "n1", "Resources")


def test_a_node_that_went_with_its_supervisor_ends_when_that_was_seen(record: PilotRecord) -> None:
    record.nodes = [node("p-1", State.LOST, 0, 1, 2, None, since=at(50))]
    assert bars(timeline(record))[-1] == ("p-1", "running", 2, 50)


def test_nodes_that_left_the_record_and_runs_of_this_pilot_are_there(record: PilotRecord) -> None:
    PILOTS.folder("p").joinpath("nodes.jsonl").write_text(
        node("p-1", State.FINISHED, 0, 1, 2, 3).model_dump_json() + "\n{cut off"
    )
    for name, pilot, created in (("mine", "p", 5), ("others", "q", 5), ("earlier", "p", -5)):
        RUNS.write(RunRecord(name=name, kind="count", pilot=pilot, created=at(created), started=at(7), ended=at(9)))
    assert [bar[0] for bar in bars(timeline(record))] == ["p-1"] * 3 + ["mine"] * 2
    assert bars(timeline(record))[-1] == ("mine", "running", 7, 9)


def test_supervisors_are_counted_and_their_loss_is_marked(record: PilotRecord) -> None:
    journal = Journal(PILOTS.folder("p") / "events.jsonl")
    for what in ("started", "node running", "lost", "recovering", "started"):
        journal.add(what, reason="killed" if what == "lost" else "")
    marks = timeline(record).marks
    assert [mark.text for mark in marks] == ["supervisor 1", "lost", "supervisor 2"]
    assert marks[1].reason == "killed"


def test_in_letters(record: PilotRecord) -> None:
    record.nodes = [node("p-1", State.FAILED, 0, 50, 75, 100, reason="cancelled by root\nand more")]
    lines = timeline(record).text(width=8).splitlines()
    assert lines[1] == "p-1 |....--##| failed: cancelled by root"


def test_many_rows_are_cut_and_it_says_so(record: PilotRecord) -> None:
    record.nodes = [node(f"p-{n}", State.RUNNING, n, n, n, None) for n in range(MOST_ROWS + 5)]
    made = timeline(record)
    assert made.hidden == 5
    assert {bar.name for bar in made.bars} == {f"p-{n}" for n in range(5, MOST_ROWS + 5)}
    assert "5 earlier" in made.text()
    assert "5 earlier" in made.figure().title.text


def test_the_figure_has_a_row_each_and_tells_ends_apart(record: PilotRecord) -> None:
    pytest.importorskip("bokeh")
    record.nodes = [
        node("p-1", State.FINISHED, 0, 1, 2, 3),
        node("p-2", State.FAILED, 0, 1, 2, 3, reason="<b>walltime</b>"),
        node("p-3", State.RUNNING, 0, 1, 2, None),
    ]
    figure = timeline(record).figure()
    assert figure.y_range.factors == [("nodes", "p-3"), ("nodes", "p-2"), ("nodes", "p-1"), ("", "pilot")]
    drawn = {item.label.value: item.renderers[0] for item in figure.legend[0].items}
    assert list(drawn) == ["waiting", "starting", "running", "finished", "failed"]
    assert drawn["failed"].data_source.data["row"] == [("nodes", "p-2")]
    assert drawn["running"].data_source.data["right"] == [at(100).timestamp() * 1000]
    assert len({renderer.glyph.fill_color for renderer in drawn.values()}) == 5


def test_a_cell_shows_the_figure_and_letters_where_there_is_no_bokehjs(record: PilotRecord) -> None:
    record.nodes = [node("p-1", State.RUNNING, 0, 1, 2, None)]
    bundle = timeline(record)._repr_mimebundle_()
    assert "p-1 |" in bundle["text/plain"]
    assert bundle["text/html"].index("p-1 |") < bundle["text/html"].index("<script>")
    assert "root_id" in bundle["text/html"]
