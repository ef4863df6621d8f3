"""Which disk is full, in words; what is not there yet, and where nothing may be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.engines import disks
from pilothouse.engines.disks import Disks

#: Files may have no byte, which is what a quota comes to.
NOTHING = """
import resource, sys
from pathlib import Path
from pilothouse.engines.disks import Disks
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
print(Disks([Path(sys.argv[1])], "exp-1").full())
"""


def test_one_with_room_has_no_words_and_gets_no_file(tmp_path: Path) -> None:
    there = Disks([tmp_path, tmp_path / "not yet" / "there"], "exp-1")
    assert (there.low(), there.full()) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_one_without_is_named_with_its_node_and_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "LEAST", 1 << 62)
    there = Disks([tmp_path / "kept"], "exp-1")
    assert there.low().startswith(f"the disk of {tmp_path}/kept on exp-1 is full: ")
    assert there.full().endswith(f" MiB are free, {1 << 42} MiB are needed")


def test_a_quota_is_found_by_writing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NOTHING, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == f"nothing can be written to {tmp_path} on exp-1: File too large\n"
