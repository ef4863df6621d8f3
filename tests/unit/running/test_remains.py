"""What processes leave is ended also where a look at all processes does not find it."""

from __future__ import annotations

import subprocess
import sys

import psutil

from pilothouse import remains

#: A process like a launcher, whose first look at what descends from it finds nothing, though there is something.
UNSEEN = """
import subprocess, psutil
from pilothouse.tasks import launcher, process_tree

process_tree.adopt()
subprocess.run(["sh", "-c", "sleep 600 &"], check=True)
look, looks = psutil.Process.children, []

def children(self, recursive=False):
    looks.append(look(self, recursive=recursive))
    return looks[-1] if len(looks) > 1 else []

psutil.Process.children = children
found = launcher.descendants()
assert len(found) == 1, found  # a child that is yet to become another program has no name of its own
found[0].kill()
while launcher.descendants():
    pass
"""


def test_what_one_look_misses_is_ended_too() -> None:
    with subprocess.Popen(["sleep", "600"]) as left:
        looks = iter([[], [psutil.Process(left.pid)], [], []])
        remains.end(lambda: next(looks), 0.0)
        assert left.wait(10) == -9
        assert list(looks) == []


def test_a_launcher_has_no_descendants_when_the_system_says_so() -> None:
    done = subprocess.run([sys.executable, "-c", UNSEEN], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
