"""``python -m tests.seconds``: how long each room's tests take, from the junit file of a run of ``make test``.

Tests run side by side: a test's own seconds say little by themselves. What is counted is a room's *share* of all tests'
seconds, times the seconds that the run took. Load changes both, so nothing fails here: ``--keep`` writes what a quiet
machine took to the table in docs/develop.md, and a test compares that with the budgets.

``--keep`` also writes ``tests/seconds.json``, from which tests/schedule.py knows what to begin with. What other targets
than ``make test`` took (``--also``) is for the schedule alone.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
KEPT = Path(__file__).with_suffix(".json")
DOCS = ROOT / "docs" / "develop.md"
_TABLE = re.compile(r"(<!-- seconds -->\n).*?(<!-- /seconds -->)", re.DOTALL)
_ROW = re.compile(r"^\| (\w[\w ]*\w) \| (\d+) \|", re.MULTILINE)

#: What `make test` may take on two cores.
RUN_S = 720.0
#: Of which a room may have so much, and these three together so much.
ROOM_S, PILOTS_S, PILOTS = 90.0, 360.0, ("pilots", "slurm", "tasks")


def kept() -> dict[str, float]:
    """Seconds of each file of tests when they were last kept; files that took less than one are left out."""
    try:
        return dict(json.loads(KEPT.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def kept_rooms() -> dict[str, float]:
    """Seconds of each room when they were last kept."""
    found = _TABLE.search(DOCS.read_text(encoding="utf-8"))
    assert found is not None
    return {name: float(seconds) for name, seconds in _ROW.findall(found[0])}


def of_files(reports: Iterable[Path]) -> Counter[str]:
    """Seconds of each file of tests in junit files, setting up and clearing away included."""
    found: Counter[str] = Counter()
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            found[_file(case.get("classname", ""))] += float(case.get("time", 0))
    return found


def of_run(report: Path) -> float:
    """Seconds that the run of a junit file took."""
    return sum(float(suite.get("time", 0)) for suite in ElementTree.parse(report).iter("testsuite"))


def _file(classname: str) -> str:
    words = classname.split(".")
    while words and not words[-1].startswith("test_"):  # a class of tests
        words.pop()
    return "/".join(words) + ".py"


def room(file: str) -> str:
    """The room that a file is of: ``tests/integration/ROOM/...``, ``tests/ROOM/...``; queues are the pilots'."""
    words = file.split("/")[1:-1]
    name = words[1] if len(words) > 1 else words[0] if words else "?"
    return "pilots" if name in ("queues", "batch") else name


def of_rooms(files: Counter[str], run_s: float) -> dict[str, float]:
    """Seconds of each room, the longest first: its part of those that the run took."""
    rooms: Counter[str] = Counter()
    for file, seconds in files.items():
        rooms[room(file)] += seconds
    whole = sum(rooms.values()) or 1.0
    return {name: seconds * run_s / whole for name, seconds in rooms.most_common()}


def over_budget(rooms: dict[str, float]) -> list[str]:
    """What takes more than it may, a line each."""
    wanted = {name: (seconds, ROOM_S) for name, seconds in rooms.items() if name not in PILOTS}
    wanted[", ".join(PILOTS)] = sum(rooms.get(name, 0.0) for name in PILOTS), PILOTS_S
    wanted["all"] = sum(rooms.values()), RUN_S
    return [
        f"{name}: {seconds:.0f} s, and {budget:.0f} s are its budget"
        for name, (seconds, budget) in wanted.items()
        if seconds > budget
    ]


def table(files: Counter[str], run_s: float) -> str:
    """Markdown: each room's seconds of a run, and its longest file."""
    lines = ["| room | seconds | longest file |", "|---|---:|---|"]
    for name, seconds in of_rooms(files, run_s).items():
        longest = max((file for file in files if room(file) == name), key=files.__getitem__)
        lines.append(f"| {name} | {seconds:.0f} | `{longest.removeprefix('tests/')}` |")
    return "\n".join(lines) + "\n"


def main(line: list[str] | None = None) -> None:
    """Print the table, and say who is over budget."""
    parser = argparse.ArgumentParser(prog="python -m tests.seconds", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", nargs="?", type=Path, default=ROOT / "build" / "junit.xml", help="a junit file")
    parser.add_argument("--also", nargs="*", type=Path, default=[], help="junit files of other targets")
    parser.add_argument("--keep", action="store_true", help="write tests/seconds.json and the table in docs/develop.md")
    arguments = parser.parse_args(line)
    files, run_s = of_files([arguments.report]), of_run(arguments.report)
    print(table(files, run_s))
    if arguments.keep:
        everything = files + of_files(arguments.also)
        long = {file: round(seconds) for file, seconds in sorted(everything.items()) if seconds >= 1}
        KEPT.write_text(json.dumps(long, indent=1) + "\n", encoding="utf-8")
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(_TABLE.sub(lambda match: match[1] + table(files, run_s) + match[2], text), encoding="utf-8")
    for found in over_budget(of_rooms(files, run_s)):
        print(f"over budget in this run: {found}")


if __name__ == "__main__":
    main()
