"""The node with the master goes, in a planned way and without a word: sessions go on."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from tests.integration.engines.spark.conftest import CONF, SMALL
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from pilothouse.engines.spark.service import SparkService

pytestmark = [pytest.mark.engines("pyspark"), pytest.mark.nightly]

#: A session in a process of its own, for this one has that of the other tests: it sums what it is asked to.
SCRIPT = """
import sys, pilothouse as ph
spark = ph.attach(sys.argv[1]).client(eval(sys.argv[2]))
print("open", flush=True)
for line in sys.stdin:
    print(spark.sparkContext.parallelize(range(int(line)), 2).sum(), flush=True)
"""


@contextlib.contextmanager
def session(service: SparkService):  # type: ignore[no-untyped-def]
    """What the session says to numbers, one after the other."""
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, service.name, repr(CONF)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"

    def sums(number: int) -> int:
        print(number, file=process.stdin, flush=True)
        return int(process.stdout.readline())  # type: ignore[union-attr]

    try:
        yield sums
    finally:
        process.stdin.close()
        assert process.wait(60) == 0


def moved(service: SparkService, before: int) -> int:
    """The number of the only member, once that is a later one."""

    def later() -> int:
        numbers = [member["number"] for member in service.members]
        return numbers[0] if len(numbers) == 1 and numbers[0] > before else 0

    return eventually(later, f"a member after {before} alone", 120)


def test_a_session_outlives_its_masters_nodes_and_their_supervisor(state_home: Path) -> None:
    with ph.submit("local", name="moving", nodes=1, lease="1h").wait(timeout=60) as pilot:
        service: SparkService = pilot.start("spark", nodes=1, **SMALL).wait(timeout=180)  # type: ignore[assignment]
        with session(service) as sums:
            assert sums(10) == 45
            first = service.address
            pilot.renew()  # the node goes when another one is there
            latest = moved(service, 1)
            service.wait(timeout=120)
            assert service.address != first
            assert service.members[0]["leads"]
            assert sums(20) == 190
            second = service.address
            (node,) = [node for node in pilot.nodes if node.name == service.nodes[0]]
            for process in [psutil.Process(node.pid), *remains.marked(f"{node.name}.")]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            moved(service, latest)
            service.wait(timeout=180)
            assert service.address != second
            assert sums(30) == 435
            supervisor = pilot.record.supervisor
            assert supervisor is not None
            os.kill(supervisor.pid, signal.SIGKILL)
            eventually(lambda: pilot.state == "lost", "the pilot's loss")
            pilot.recover()  # the nodes of a local pilot have ended with it
            service.wait(timeout=180)
            assert sums(40) == 780
        told = [event["member"] for event in service.events() if event["what"] == "the master is here now"]
        assert len(told) >= 2
        service.stop()
