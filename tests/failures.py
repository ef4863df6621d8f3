"""``python -m tests.failures``: the tests that failed, from the junit files of all targets; 1 where there are any.

It comes last in ``.ci/run``, whose output is long: what has failed is to be seen at its end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

BUILD = Path(__file__).parent.parent / "build"


def failures(reports: Iterable[Path]) -> Iterator[str]:
    """A line for each test that failed or could not be set up: its name, and the first line of its error."""
    for report in reports:
        try:
            cases = list(ElementTree.parse(report).iter("testcase"))
        except ElementTree.ParseError:
            yield f"{report.name}: it is no junit file; were the tests ended?"
            continue
        for case in cases:
            for found in (*case.iterfind("failure"), *case.iterfind("error")):
                words = (found.get("message") or found.text or "").strip().splitlines() or [""]
                yield f"{case.get('classname', '')}::{case.get('name', '')}: {words[0][:300]}"


def main() -> int:
    """Print them."""
    found = list(failures(sorted(BUILD.glob("junit*.xml"))))
    for one in found:
        print(f"failed: {one}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
