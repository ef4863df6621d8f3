"""What a pilot's nodes and runs did when, as bars over time: drawn by Bokeh, or in letters where nothing can draw."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pilothouse.pictures import mimebundle
from pilothouse.registry.folders import EVENTS
from pilothouse.registry.history import all_nodes
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, RunRecord, State, runs_on
from pilothouse.state import utcnow

if TYPE_CHECKING:
    from bokeh.plotting import figure

#: The most rows of nodes, and of runs: the latest are shown.
MOST_ROWS = 60

#: Letters of the picture in letters.
_LETTERS = {"waiting": ".", "starting": "-", "running": "#"}


@dataclass(frozen=True)
class Bar:
    """What one node or run did for a while.

    Attributes
    ----------
    phase
        ``waiting`` in the queue, ``starting`` (its job runs, its worker is not there yet), or ``running``.
    state
        That of the node or run now; a phase that something followed has no better one than its own.
    """

    of: Literal["node", "run"]
    name: str
    phase: Literal["waiting", "starting", "running"]
    state: State
    begin: datetime
    end: datetime
    reason: str = ""
    job: str = ""
    host: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin).total_seconds()


@dataclass(frozen=True)
class Mark:
    """A moment of the pilot as a whole."""

    time: datetime
    text: str
    reason: str = ""


@dataclass(frozen=True)
class Timeline:
    """Nodes, runs and supervisors of a pilot over time.

    As the last line of a cell it draws itself where Bokeh is there (``bokeh.io.output_notebook()``); printed, it is
    a picture in letters.

    Attributes
    ----------
    bars
        Of the nodes in the order of their submission, then of the runs in the order of their launch.
    marks
        When supervisors came and went.
    hidden
        How many earlier nodes and runs there were.
    """

    pilot: str
    begin: datetime
    end: datetime
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    hidden: int = 0

    def figure(self, *, width: int = 900) -> figure:
        """The timeline as a Bokeh figure, for ``bokeh.io.show``, exports and one's own pages.

        Parameters
        ----------
        width
            In pixels; the height follows from the number of rows.
        """
        made: figure = importlib.import_module("pilothouse_widgets.timeline").timeline_figure(self, width=width)
        return made

    def text(self, width: int = 60) -> str:
        """The timeline in letters: ``.`` waiting, ``-`` starting, ``#`` running; `width` letters are its length."""
        whole = max((self.end - self.begin).total_seconds(), 1e-3)

        def column(time: datetime) -> int:
            return min(max(int((time - self.begin).total_seconds() / whole * width), 0), width - 1)

        rows: dict[tuple[str, str], list[Bar]] = {}
        for bar in self.bars:
            rows.setdefault((bar.of, bar.name), []).append(bar)
        margin = max((len(name) for _, name in rows), default=0)
        lines = [f"{self.pilot}: {self.begin:%Y-%m-%d %H:%M:%S} UTC, {whole:.0f} s   . waiting  - starting  # running"]
        for (_, name), bars in rows.items():
            letters = [" "] * width
            for bar in bars:
                for at in range(column(bar.begin), column(bar.end) + 1):
                    letters[at] = _LETTERS[bar.phase]
            last = bars[-1]
            reason = f": {last.reason.splitlines()[0][:60]}" if last.reason else ""
            lines.append(f"{name:{margin}} |{''.join(letters)}| {last.state}{reason}")
        for mark in self.marks:
            lines.append(f"{'':{margin}} |{'^'.rjust(column(mark.time) + 1):{width}}| {mark.text}")
        if self.hidden:
            lines.append(f"and {self.hidden} earlier ones")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle("timeline_mimebundle", self, text=self.text())


def timeline(record: PilotRecord) -> Timeline:
    """What the pilot's nodes and runs did until now, or until its end."""
    now = record.ended or utcnow()
    nodes = all_nodes(record)
    runs = sorted(runs_on(record), key=lambda run: run.created)
    bars = [bar for node in nodes[-MOST_ROWS:] for bar in _node(node, now)]
    bars += [bar for run in runs[-MOST_ROWS:] for bar in _run(run, now)]
    hidden = max(len(nodes) - MOST_ROWS, 0) + max(len(runs) - MOST_ROWS, 0)
    marks = tuple(_marks(Journal(PILOTS.root / record.name / EVENTS).read()))
    begin = min([record.created, *(bar.begin for bar in bars)]) if not hidden else min(bar.begin for bar in bars)
    return Timeline(record.name, begin, now, tuple(bars), tuple(mark for mark in marks if mark.time >= begin), hidden)


def _node(node: NodeRecord, now: datetime) -> Iterator[Bar]:
    end = node.ended or (node.since if node.state.ended and node.since else now)
    times: Sequence[tuple[Literal["waiting", "starting", "running"], datetime | None]] = (
        ("waiting", node.submitted),
        ("starting", node.started),
        ("running", node.connected),
    )
    for at, (phase, begin) in enumerate(times):
        if begin is None:
            continue
        following = next((time for _, time in times[at + 1 :] if time is not None), end)
        yield Bar("node", node.name, phase, node.state, begin, max(following, begin), node.reason, node.job, node.host)


def _run(run: RunRecord, now: datetime) -> Iterator[Bar]:
    end = run.ended or now
    yield Bar("run", run.name, "starting", run.state, run.created, max(run.started or end, run.created), run.reason)
    if run.started is not None:
        yield Bar("run", run.name, "running", run.state, run.started, max(end, run.started), run.reason)


def _marks(events: Sequence[dict[str, Any]]) -> Iterator[Mark]:
    """The supervisors: when each came, and how it went."""
    supervisors = 0
    for event in events:
        what = event.get("what")
        if what == "started":
            supervisors += 1
            text = f"supervisor {supervisors}"
        elif what in ("lost", "handed over", "gave up"):
            text = what
        else:
            continue
        yield Mark(datetime.fromisoformat(event["time"]), text, str(event.get("reason", "")))
