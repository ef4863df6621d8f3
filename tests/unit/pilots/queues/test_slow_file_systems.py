"""A shared file system that hangs holds up the job that is written there, not the supervisor's other work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.htcondor import HTCondorQueue
from pilothouse.pilots.queues.oar import OARQueue
from pilothouse.pilots.queues.protocols import Queue
from pilothouse.pilots.queues.psij import PSIJQueue
from pilothouse.pilots.sites.site import Site
from tests.unit.pilots.fake_commands import FakeCommands
from tests.unit.pilots.queues.jobs import job
from tests.waiting import eventually_async

#: System -> its queue, the command by which it takes jobs, and what that answers.
SYSTEMS: dict[str, tuple[Callable[[Site], Queue], str, str]] = {
    "htcondor": (HTCondorQueue, "condor_submit", "17.0 - 17.0"),
    "oar": (OARQueue, "oarsub", "OAR_JOB_ID=17"),
    "psij:lsf": (PSIJQueue, "bsub", "Job <17> is submitted to queue <normal>."),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_loop_goes_on_while_what_a_job_runs_is_written(
    system: str, host: FakeCommands, state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if system.startswith("psij"):
        pytest.importorskip("psij")
    queue, command, answer = SYSTEMS[system]
    host.prints(command, answer)
    wanted = job(system, tmp_path)
    wanted.log.parent.mkdir(parents=True)
    writing, released, write = threading.Event(), threading.Event(), Path.write_text

    def slowly(path: Path, text: str) -> int:
        writing.set()
        assert released.wait(20), "nothing else could go on"
        return write(path, text)

    async def work() -> str:
        submitting = asyncio.create_task(queue(wanted.site).submit(wanted))
        await eventually_async(lambda: writing.is_set() or submitting.done(), "writing")
        released.set()
        return await submitting

    monkeypatch.setattr(Path, "write_text", slowly)
    assert asyncio.run(work()).startswith("17")
    assert writing.is_set()


@pytest.mark.parametrize("system", ["htcondor", "oar"])
def test_a_folder_that_is_not_there_is_said(system: str, tmp_path: Path) -> None:
    wanted = job(system, tmp_path)
    with pytest.raises(Unavailable, match=r"p-1\.log\.sh can't be written: No such file or directory"):
        asyncio.run(SYSTEMS[system][0](wanted.site).submit(wanted))
