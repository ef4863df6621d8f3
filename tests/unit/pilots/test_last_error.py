"""What of a log tells why its process ended."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.registry.logs import last_error

CHATTER = """\
2026-11-23 01:18:16,273 INFO distributed.scheduler: Receive client connection: Client-pilothouse-x-c29663f4
2026-11-23 01:18:16,273 INFO distributed.core: Starting established connection to tls://127.0.0.1:47144
2026-11-23 01:18:16,280 WARNING pilothouse.pilots.supervisor.giving_back: x-1 did not answer
"""
TRACEBACK = """\
2026-11-23 01:18:17,000 CRITICAL pilothouse.pilots.supervisor.owner: the supervisor ends
Traceback (most recent call last):
  File "supervisor.py", line 12, in run
    raise CommClosedError(where) from error
distributed.comm.core.CommClosedError: in <TLS>: Stream is closed
"""
FAILED_RUN = """\
2026-11-23 01:18:17,500 ERROR pilothouse.runs.host: run sim failed
Traceback (most recent call last):
  File "host.py", line 190, in _drive
    await driver.run(context)
RuntimeError: the task ended with 3
"""
OF_DASK = """\
2026-11-23 01:18:17,600 - distributed.core - ERROR - Exception while handling op
KeyError: 'x'
"""
CRASH = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "native.py", line 3 in call
"""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (CHATTER, ""),
        ("", ""),
        (CHATTER + TRACEBACK, "distributed.comm.core.CommClosedError: in <TLS>: Stream is closed"),
        (TRACEBACK + CHATTER, "distributed.comm.core.CommClosedError: in <TLS>: Stream is closed"),
        (TRACEBACK + CHATTER * 14, ""),
        (CHATTER + FAILED_RUN + CHATTER, ""),  # it went on
        (FAILED_RUN + "  note\n" * 45 + "ValueError: of the same traceback\n", ""),
        (FAILED_RUN + OF_DASK, ""),
        (TRACEBACK + FAILED_RUN, "distributed.comm.core.CommClosedError: in <TLS>: Stream is closed"),
        (FAILED_RUN + CRASH, "Fatal Python error: Segmentation fault"),
        ("Traceback (most recent call last):\nImportError: no dask", "ImportError: no dask"),
        (CHATTER + CRASH, "Fatal Python error: Segmentation fault"),
        (CHATTER + TRACEBACK.splitlines()[0], TRACEBACK.splitlines()[0]),
        (
            CHATTER + "slurmstepd: error: Detected 1 oom-kill event\n" + CHATTER,
            "slurmstepd: error: Detected 1 oom-kill event",
        ),
    ],
)
def test_the_last_line_that_tells_of_an_error_is_found(tmp_path: Path, text: str, error: str) -> None:
    log = tmp_path / "supervisor.log"
    log.write_text(text)
    assert last_error(log) == error


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert last_error(tmp_path / "supervisor.log") == ""


def test_an_error_before_the_last_sign_of_life_is_not_the_last_word(tmp_path: Path) -> None:
    log = tmp_path / "supervisor.log"
    log.write_text(CHATTER + TRACEBACK)
    now = datetime.now(UTC)
    os.utime(log, times=(now.timestamp() - 60,) * 2)
    assert last_error(log, since=now) == ""
    assert "CommClosedError" in last_error(log, since=now - timedelta(seconds=90))
    assert last_error(tmp_path / "none.log", since=now) == ""
