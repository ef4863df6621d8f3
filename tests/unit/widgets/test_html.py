"""The HTML that a handle shows where nothing is live."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np

from pilothouse.engines.shown import ShownMember, ShownService
from pilothouse.registry.records import NodeRecord, PilotRecord, Progress, RunRecord, State
from pilothouse.state import utcnow
from pilothouse.telemetry import Frame
from pilothouse_widgets.html import pilot_html, run_html

COST = {"node_hours": 1.5, "core_hours": 6.0, "gpu_hours": 0.0, "queue_hours": 0.25}
EVIL = "<img src=x onerror=alert(1)>"


def test_whatever_is_in_a_record_is_escaped() -> None:
    pilot = PilotRecord(
        name="p", site=EVIL, created=utcnow(), reason=EVIL, nodes=[NodeRecord(name=EVIL, host=EVIL, reason=EVIL)]
    )
    run = RunRecord(
        name="r", kind=EVIL, pilot="p", created=utcnow(), reason=EVIL, progress=Progress(done=1, total=2, unit=EVIL)
    )
    frame = Frame(2, True, np.arange(2.0), {EVIL: np.ones(2)})
    for html in (pilot_html(pilot), run_html(run, frame)):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html


def test_the_html_stays_below_ten_kilobytes() -> None:
    nodes = [NodeRecord(name=f"n{i}", reason="x" * 5000, host="h" * 500) for i in range(1000)]
    pilot = PilotRecord(name="p", site="local", created=utcnow(), reason="y" * 100_000, nodes=nodes)
    assert len(pilot_html(pilot).encode()) < 10_000
    for node in nodes:
        node.kind, node.state, node.job, node.ends = "k" * 99, State.RUNNING, "1" * 99, utcnow() + timedelta(days=9)
    nodes[-1].state, nodes[-1].expected_start = State.PENDING, utcnow()
    pilot = pilot.model_copy(update={"site": "slurm", "nodes": nodes, "wanted": {"node": 1, "gpu": 1}})
    assert len(pilot_html(pilot, COST).encode()) < 10_000
    n = 4096
    columns = {name: np.random.default_rng(0).random(n).cumsum() for name in ("produced", "consumed", "lag", "a", "b")}
    run = RunRecord(name="r", kind="stream", pilot="p", created=utcnow(), reason="z" * 100_000)
    assert len(run_html(run, Frame(n, True, np.arange(n) / 10, columns)).encode()) < 10_000


def service(text: str, members: int) -> ShownService:
    member = ShownMember(
        number=1, node=text, host="", role=text, state="running", reason=text, address="", metrics={text: 1.0}
    )
    return ShownService(
        time=0.0, name="s", engine="board", pilot="p", address=text, dashboard=text, wanted=1, complete=True,
        trouble="",
        members=[member] * members,
    )  # fmt: skip


def test_a_service_shows_its_engine_address_and_members_escaped_and_small() -> None:
    run = RunRecord(name="s", kind="service", pilot="p", created=utcnow(), parameters={"engine": "board"})
    html = run_html(run, Frame(0, True, np.zeros(0), {}), service("127.0.0.1:1", 2))
    assert "board on p" in html
    assert html.count("<tr>") == 3
    assert "<code>127.0.0.1:1</code>" in html
    assert "<img src=x" not in run_html(run, Frame(0, True, np.zeros(0), {}), service(EVIL, 1))
    n = 4096
    columns = {name: np.random.default_rng(0).random(n).cumsum() for name in ("bytes_in", "cores", "nodes", "a", "b")}
    run.reason = "z" * 100_000
    html = run_html(run, Frame(n, True, np.arange(n) / 10, columns), service("x" * 5000, 50))
    assert len(html.encode()) < 10_000
    assert "and 44 earlier ones" in html


def test_a_node_tells_what_the_batch_system_says() -> None:
    pending = NodeRecord(
        name="p-2", job="18", reason="Resources", expected_start=datetime(2026, 3, 1, 17, 30, tzinfo=UTC)
    )
    running = NodeRecord(
        name="p-1", kind="gpu", job="17", host="n1", state=State.RUNNING,
        ends=utcnow() + timedelta(hours=2, seconds=30),
    )  # fmt: skip
    pilot = PilotRecord(
        name="p", site="slurm", created=utcnow(), nodes=[running, pending], nodes_wanted=2,
        wanted={"node": 1, "gpu": 1}, not_recovered=["run 'x': it can't"],
    )  # fmt: skip
    html = pilot_html(pilot, COST)
    for said in ("Resources", "expected Mar 01 17:30 UTC", ">2:00:", "17", "n1", "gpu", "1 of 2 nodes"):
        assert said in html
    assert "not recovered: run &#x27;x&#x27;" in html
    assert "1.50 node-hours, 6.00 core-hours; 0.25 hours in the queue" in html
    local = PilotRecord(name="p", site="local", created=utcnow(), nodes=[NodeRecord(name="p-1", job="4711")])
    assert "4711" not in pilot_html(local), "a process's number is no job"


def test_states_are_words_and_durations_end_with_the_run() -> None:
    begun = utcnow() - timedelta(hours=5)
    run = RunRecord(
        name="r", kind="stream", pilot="p", created=begun, state=State.FINISHED, ended=begun + timedelta(seconds=90)
    )
    html = run_html(run, Frame(0, True, np.zeros(0), {}))
    assert "finished" in html
    assert "90.0 s" in html
    assert "<img" not in html


def test_a_page_that_takes_svg_away_still_has_the_picture_and_its_words() -> None:
    run = RunRecord(name="r", kind="stream", pilot="p", created=utcnow())
    time = np.arange(30) / 10
    frame = Frame(30, True, time, {"lag": np.full(30, 4.0), "paid_msat": np.full(30, 2500.0)})
    (picture,) = Elements(run_html(run, frame)).of("img")
    assert picture["alt"] == "Lag: 4 messages; Paid: 2.5 sat"
    kind, _, source = picture["src"].partition(",")
    assert kind == "data:image/svg+xml"
    assert ElementTree.fromstring(unquote(source)).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<svg" not in run_html(run, frame)


class Elements(HTMLParser):
    """The elements of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]
