r"""Files of lines: whatever a writer that was killed left, each whole line is read, and none is made of two.

U+2028, U+0085 and ``\r`` end lines for ``str.splitlines``, not for these files.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.market.money.ledger import ISSUED, Ledger
from pilothouse.market.money.ledger import read as read_ledger
from pilothouse.pilots.supervisor.node_book import NodeBook
from pilothouse.pilots.timeline import timeline
from pilothouse.registry import lines
from pilothouse.registry.folders import EVENTS, NODES
from pilothouse.registry.history import all_nodes, cost
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, State
from pilothouse.state import utcnow
from pilothouse.tasks.ends import Ends

ODD = "one\u2028two\u2029three\x85four\rfive\nsix\x0b\x0c\x1c\x1eé漢🐙"


@pytest.mark.parametrize("raw", [False, True], ids=["escaped", "as older versions wrote them"])
def test_appended_to_after_a_cut_at_any_byte(tmp_path: Path, raw: bool) -> None:
    entry: dict[str, Any] = {"reason": ODD, "n": 1}
    torn = json.dumps(entry, ensure_ascii=not raw).encode()
    for cut in range(len(torn) + 1):
        path = tmp_path / f"{cut}.jsonl"
        lines.append(path, [{"n": 0}])
        with path.open("ab") as file:
            file.write(torn[:cut])
        assert lines.read(path) == [{"n": 0}] + ([entry] if cut == len(torn) else [])
        lines.append(path, [{"n": 2}, {"n": 3}])
        expected = [{"n": 0}, entry, {"n": 2}, {"n": 3}] if cut == len(torn) else [{"n": 0}, {"n": 2}, {"n": 3}]
        assert lines.read(path) == expected


KILLED = """
import os, sys
from pathlib import Path
from pilothouse.registry import lines

real = os.write
def torn(descriptor, data):
    real(descriptor, bytes(data)[: int(sys.argv[2])])
    os._exit(9)
os.write = torn
lines.append(Path(sys.argv[1]), [{"what": "torn", "reason": "é漢🐙"}])
"""


def test_a_writer_that_was_killed_takes_no_other_event_with_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / EVENTS)
    for bytes_written in (1, 20, 38):
        journal.add(f"before {bytes_written}")
        subprocess.run([sys.executable, "-c", KILLED, str(journal.path), str(bytes_written)], check=False)
        journal.add(f"after {bytes_written}", reason=ODD)
    found = [event["what"] for event in journal.read()]
    assert found == [f"{when} {size}" for size in (1, 20, 38) for when in ("before", "after")]
    assert journal.read()[1]["reason"] == ODD


def test_a_missing_file_has_no_lines_and_one_that_is_made_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    assert lines.read(path) == []
    assert lines.whole(path) == ([], 0)
    assert lines.append(path, []) == 0
    assert lines.append(path, [{"a": 1}]) == path.stat().st_size == 9
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_object_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b'\n1\n"text"\n[1]\nnull\n\xff\xfe\n{"a": 1}\n{"b"')
    assert lines.read(path) == [{"a": 1}]


def test_a_journal_that_is_full_keeps_its_latter_half(tmp_path: Path) -> None:
    journal = Journal(tmp_path / EVENTS, limit=2000)
    for i in range(100):
        journal.add("event", i=i, reason=ODD)
    found = [event["i"] for event in journal.read()]
    assert found == list(range(found[0], 100))
    assert 0 < journal.path.stat().st_size <= 2000


def test_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from pilothouse.registry import lines
        for i in range(200):
            lines.append(Path(sys.argv[1]), [{"who": sys.argv[2], "i": i}])
    """)
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(who)]) for who in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert len(lines.read(path)) == 600


def test_an_error_of_a_disk_that_fills_up_is_raised_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "full.jsonl"
    code = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from pilothouse.registry import lines
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        lines.append(Path(sys.argv[1]), [{"a": 1}])
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
        try:
            lines.append(Path(sys.argv[1]), [{"b": "x" * 100}])
        except OSError:
            print("refused")
    """)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
    assert path.stat().st_size == 20
    lines.append(path, [{"c": 2}])
    assert lines.read(path) == [{"a": 1}, {"c": 2}]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20


@pytest.fixture
def pilot(state_home: Path) -> PilotRecord:
    now = utcnow()
    record = PilotRecord(name="anna", site="local", state=State.FINISHED, created=now - timedelta(hours=3), ended=now)
    PILOTS.write(record)
    return record


def node(name: str, reason: str, hours: float) -> NodeRecord:
    now = utcnow()
    started = now - timedelta(hours=hours)
    return NodeRecord(name=name, state=State.RUNNING, reason=reason, started=started, submitted=started, since=now)


def test_odd_letters_and_a_cut_within_one_lose_no_hours_of_nodes(pilot: PilotRecord) -> None:
    folder = PILOTS.folder("anna")
    book = NodeBook(pilot, Journal(folder / EVENTS), folder, lambda: None)
    book.end(node("anna-1", "", 1), State.FAILED, ODD)
    with (folder / NODES).open("ab") as file:  # as an older version wrote it
        file.write(node("anna-2", "killed\u2028in\x85action", 0.5).model_dump_json().encode() + b"\n")
        file.write('{"name": "anna-3", "reason": "é'.encode()[:-1])
    with (folder / EVENTS).open("ab") as file:
        file.write('{"time": "2026-01-01T00:00:00.000+00:00", "what": "lost", "reason": "漢'.encode()[:-2])
    book.end(node("anna-4", "", 0.25), State.FINISHED, "")
    assert [each.name for each in all_nodes(pilot)] == ["anna-1", "anna-2", "anna-4"]
    assert cost(pilot)["node_hours"] == pytest.approx(1.75, abs=0.01)
    assert {bar.name for bar in timeline(pilot).bars} == {"anna-1", "anna-2", "anna-4"}
    assert [event["what"] for event in Journal(folder / EVENTS).read()] == ["node failed", "node finished"]


def test_a_torn_end_of_a_task_is_not_the_next_ones(tmp_path: Path) -> None:
    ends = Ends(tmp_path)
    whole = {"task": 0, "code": 0, "error": "", "node": "a"}
    ends.add([whole])
    for cut in range(1, len(json.dumps(whole))):
        with ends.path.open("ab") as file:
            file.write(json.dumps({**whole, "task": 1}).encode()[:cut])
        ends.add([{**whole, "task": 1 + cut, "error": ODD}])
    found = ends.read()
    assert found[0] == whole
    assert found[5]["error"] == ODD
    assert set(found) == {0, *range(2, len(json.dumps(whole)) + 1)}


def test_a_ledger_drops_a_torn_end_and_a_full_disk_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.post(ODD, "1", {ISSUED: -5, "me": 5})
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        real(descriptor, bytes(data)[:7])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        ledger.post("fund", "2", {ISSUED: -5, "me": 5})
    monkeypatch.undo()
    ledger.post("fund", "3", {ISSUED: -1, "me": 1})
    ledger.close()
    with path.open("ab") as file:
        file.write('{"time": "é'.encode()[:-1])
    assert [one.key for one in read_ledger(path)] == ["1", "3"]
    reopened = Ledger(path)
    reopened.post("fund", "4", {ISSUED: -1, "me": 1})
    assert [(one.what, one.key) for one in read_ledger(path)] == [(ODD, "1"), ("fund", "3"), ("fund", "4")]
    assert reopened.balances()["me"] == 7
    reopened.close()
