"""Looking at a lost pilot deletes nothing that its recovery needs; its end for good, or that of its lease, does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.cli import main
from pilothouse.errors import Conflict, Unavailable
from pilothouse.pilots import awaiting
from pilothouse.pilots.supervisor import recovery
from pilothouse.pilots.supervisor.orphans import clear_lost
from pilothouse.registry import liveness
from pilothouse.registry.liveness import reconcile
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS, RUNS, NodeRecord, PilotRecord, ProcessRef, RunRecord, State
from pilothouse.state import utcnow
from tests.unit.conftest import Disk
from tests.unit.pilots.fake_commands import SINFO, FakeCommands


@pytest.fixture
def had(state_home: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    """A pilot whose supervisor has died, and what it had: an object, a log."""

    def make(lease_s: float = 600.0, error_s: float | None = None) -> list[Path]:
        gone = subprocess.Popen(["/bin/true"])
        gone.wait()
        now = utcnow()
        scratch, store = tmp_path / "scratch", tmp_path / "store"
        for folder in (scratch, store):
            folder.mkdir()
        (store / "owner.json").touch()
        record = PilotRecord(
            name="frail", site="local", state=State.RUNNING, created=now, begun=now, heartbeat=now,
            settings={"name": "local", "system": "local"}, scratch=str(scratch),
            lease_end=now + timedelta(seconds=lease_s),
            supervisor=ProcessRef(host=socket.gethostname(), pid=gone.pid, started=1.0),
        )  # fmt: skip
        PILOTS.create(record)
        folder = PILOTS.folder("frail")
        (folder / "leftovers").write_text(f"{store}\n")
        (folder / "tls.key").touch()
        log = folder / "supervisor.log"
        log.write_text("OSError: [Errno 5] a disk that hung\n")
        if error_s is not None:
            os.utime(log, times=(now.timestamp() - error_s,) * 2)
        (scratch / "log").touch()
        return [scratch / "log", store / "owner.json"]

    return make


def test_looking_deletes_only_what_a_supervisor_makes_anew(had: Callable[..., list[Path]]) -> None:
    left = had()
    for look in (
        lambda: repr(ph.pilots()),
        lambda: ph.attach("frail").state,
        lambda: reconcile(PILOTS.read("frail")),
        clear_lost,
    ):
        look()
        assert PILOTS.read("frail").state is State.LOST
        assert all(path.exists() for path in left)
    assert not (PILOTS.folder("frail") / "tls.key").exists()


def test_what_was_found_out_about_another_host_deletes_nothing_at_all(had: Callable[..., list[Path]]) -> None:
    left = had()
    record = PILOTS.read("frail")
    assert record.supervisor is not None
    record.supervisor = record.supervisor.model_copy(update={"host": "elsewhere"})
    record.heartbeat = utcnow() - timedelta(hours=1)
    PILOTS.write(record)
    assert ph.attach("frail").state == "lost"
    assert all(path.exists() for path in [*left, PILOTS.folder("frail") / "tls.key"])


def test_a_supervisor_that_takes_long_to_come_up_is_not_lost_once_it_has_said_that_it_comes(state_home: Path) -> None:
    long_ago = utcnow() - timedelta(hours=1)
    settings = {"name": "local", "system": "local"}
    PILOTS.create(PilotRecord(name="slow", site="local", created=long_ago, begun=long_ago, settings=settings))
    assert liveness.why_lost(PILOTS.read("slow")) == "the supervisor did not start"
    code = "import sys; from pilothouse.registry import liveness; liveness.announce('slow'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as comes:
        assert comes.stdout is not None
        comes.stdout.readline()
        liveness.announce("slow")  # another one does not take its place
        found = PILOTS.read("slow").supervisor
        assert found is not None
        assert found.pid == comes.pid
        assert ph.attach("slow").state == "pending"
        comes.kill()
    pilot = ph.attach("slow")
    assert pilot.state == "lost"
    assert f"the supervisor (process {comes.pid} on {socket.gethostname()}) was killed or crashed" in pilot.reason


def test_cancelling_a_lost_pilot_ends_it_for_good(had: Callable[..., list[Path]]) -> None:
    left = had()
    pilot = ph.attach("frail")
    assert pilot.state == "lost"
    pilot.cancel()
    assert pilot.state == "finished"
    assert "cancelled; it was lost: the supervisor" in pilot.reason
    assert not any(path.exists() for path in left)
    with pytest.raises(Conflict, match="only a lost one"):
        pilot.recover()


def test_cancelling_a_lost_pilot_ends_its_jobs_and_says_so(
    had: Callable[..., list[Path]], host: FakeCommands, capsys: pytest.CaptureFixture[str]
) -> None:
    had()
    submitted = utcnow()
    _had_jobs(submitted)
    host.lists(
        ("called otherwise", 12, "RUNNING", "None", "N/A", "N/A", "c1", 0, int(submitted.timestamp()) + 2),
        (tag("frail-3"), 13, "PENDING", "Resources", "N/A", "N/A", "", 0),  # its record never heard of it
    )
    host.prints("scancel", "")
    assert main(["cancel", "frail"]) == 0
    assert "cancelled, and told its jobs (12, 13) to end; it was lost: the supervisor" in capsys.readouterr().out
    assert host.calls("scancel") == 2


def _had_jobs(submitted: datetime) -> None:
    record = PILOTS.read("frail")
    record.settings = {"name": "slurm", "system": "slurm"}
    record.nodes = [
        NodeRecord(name="frail-1", state=State.FAILED, job="11", submitted=submitted),
        NodeRecord(name="frail-2", state=State.RUNNING, job="12", submitted=submitted),
    ]
    PILOTS.write(record)


@pytest.mark.filterwarnings("ignore:jobs at site")  # other batch systems may be installed here
def test_a_number_that_is_another_job_s_by_now_is_not_told_to_end(
    had: Callable[..., list[Path]], host: FakeCommands
) -> None:
    had()
    submitted = utcnow() - timedelta(days=30)
    _had_jobs(submitted)
    renamed = ("called otherwise", 12, "RUNNING", "None", "N/A", "N/A", "c1", 0)
    host.prints("scancel", "")
    host.prints("sinfo", SINFO)
    for time in (int(utcnow().timestamp()), "N/A"):  # it is another's; nobody knows
        host.lists((*renamed, time))
        with pytest.warns(UserWarning, match=r"job 12 at .* was not ended: .* frail-2 .*called 'called otherwise'"):
            assert ph.sweep() == []
    host.lists((*renamed, int(submitted.timestamp()) + 2))
    assert [(orphan.job, orphan.node) for orphan in ph.sweep(end=False)] == [("12", "frail-2")]
    assert host.calls("scancel") == 0
    host.lists((*renamed, "N/A"))
    with pytest.warns(UserWarning, match="job 12 at"):
        assert "to end" not in ph.attach("frail").cancel().reason
    assert host.calls("scancel") == 0


def test_a_pilot_that_is_being_recovered_is_not_cleared_away(had: Callable[..., list[Path]]) -> None:
    left = had()
    pilot = ph.attach("frail")
    assert pilot.state == "lost"
    (PILOTS.folder("frail") / "generation-2").touch()
    pilot.cancel()
    assert pilot.state == "lost"
    assert all(path.exists() for path in left)


def test_in_a_full_home_a_lost_pilot_stays_as_lost_as_it_was(
    had: Callable[..., list[Path]], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    had()
    pilot = ph.attach("frail")
    assert pilot.state == "lost"
    monkeypatch.setattr(recovery, "launch_here", lambda name: None)
    disk.full = True
    for end in (pilot.recover, pilot.cancel):
        with pytest.raises(Unavailable, match=r"the state folder can't be written: .*No space left"):
            end()
        assert pilot.state == "lost"
    disk.full = False
    pilot.recover()
    record = PILOTS.read("frail")
    assert (record.state, record.generation) == ("starting", 2)
    record.state = State.FINISHED  # nothing was launched
    PILOTS.write(record)


def test_a_pilot_whose_supervisor_does_not_hear_is_not_said_to_be_cancelled(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaiting, "UNHEARD_S", 0.2)
    now, me = utcnow(), liveness.this_process()
    record = PilotRecord(
        name="deaf", site="local", state=State.RUNNING, created=now, begun=now, heartbeat=now, supervisor=me,
        settings={"name": "local", "system": "local"}, socket="/nowhere",
    )  # fmt: skip
    PILOTS.create(record)
    with pytest.raises(Unavailable, match=r"'deaf' has not ended: .*No such file.*: cancel was not done"):
        ph.attach("deaf").cancel()
    record.state = State.FINISHED
    PILOTS.write(record)


def test_the_end_of_the_lease_clears_away_what_was_lost(had: Callable[..., list[Path]]) -> None:
    left = had(lease_s=-1.0)
    assert ph.attach("frail").state == "lost"
    assert all(path.exists() for path in left), "looking never deletes"
    clear_lost()
    assert not any(path.exists() for path in left)


def test_the_last_word_of_a_killed_supervisor_is_not_an_old_error(had: Callable[..., list[Path]]) -> None:
    had(error_s=3600.0)
    assert ph.attach("frail").reason.endswith("was killed or crashed")


def test_the_last_word_of_a_crashed_supervisor_is_its_error(had: Callable[..., list[Path]]) -> None:
    had(error_s=0.0)
    assert ph.attach("frail").reason.endswith("a disk that hung")


def test_what_is_read_of_a_lost_pilot_writes_nothing_and_a_listing_does(state_home: Path) -> None:
    now = utcnow()
    gone = ProcessRef(host=socket.gethostname(), pid=2**22 + 1, started=1.0)
    PILOTS.write(
        PilotRecord(
            name="dead",
            site="local",
            state=State.RUNNING,
            created=now,
            begun=now,
            supervisor=gone,
            heartbeat=now,
            settings={"name": "local", "system": "local"},
        )
    )
    RUNS.write(RunRecord(name="r", kind="stream", pilot="dead", pilot_created=now, state=State.RUNNING, created=now))
    before = files(state_home)
    pilot, run = ph.Pilot("dead"), ph.Run("r")
    assert (pilot.state, run.state) == (State.LOST, State.LOST)
    for read in (pilot.reason, pilot.nodes, repr(pilot), pilot.cost(), pilot.events(), run.reason, repr(run)):
        assert read is not None
    assert files(state_home) == before
    assert [each.state for each in ph.pilots()] == [State.LOST]
    assert [PILOTS.read("dead").state, RUNS.read("r").state] == [State.LOST, State.LOST]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
