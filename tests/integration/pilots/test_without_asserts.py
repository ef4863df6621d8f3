"""A pilot under ``python -O``, supervisor and nodes too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WORK = """
import socket
import sys
import warnings

import pilothouse as ph
from pilothouse.registry.records import PILOTS, PilotRecord, ProcessRef, State
from pilothouse.state import utcnow

warnings.simplefilter("ignore")
assert False, "asserts are not left out here"

gone = ProcessRef(host=socket.gethostname(), pid=2**22 + 1, started=1.0)
PILOTS.write(PilotRecord(
    name="dead", site="local", state=State.RUNNING, created=utcnow(), begun=utcnow(), supervisor=gone,
    heartbeat=utcnow(), settings=ph.sites()[0].model_dump(mode="json"),
))
with ph.submit("local", name="small", nodes=1).wait(timeout=120) as pilot:
    print(pilot.client().submit(lambda: sys.flags.optimize).result(timeout=60), pilot.run_cell("6 * 7"))
    pilot.execute(["true"]).result(timeout=60)
ph.sweep()
print(PILOTS.read("dead").state.value, PILOTS.read("small").state.value)
"""


def test_a_pilot_works_and_a_dead_one_is_found_without_asserts(tmp_path: Path) -> None:
    environment = {**os.environ, "PILOTHOUSE_HOME": str(tmp_path / "state"), "PYTHONOPTIMIZE": "1"}
    found = subprocess.run(
        [sys.executable, "-c", WORK], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert found.stdout.split() == ["1", "42", "lost", "finished"], found.stderr
