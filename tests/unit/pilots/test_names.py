"""A name is one thing's until that is removed: nothing is deleted, or taken for another, because a name comes again."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Conflict, InvalidInput, NotFound
from pilothouse.pilots.supervisor.orphans import TORN_S, remove_torn
from pilothouse.registry.liveness import START_S
from pilothouse.registry.naming import Exist, claim, numbered, remove_unused
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, ProcessRef, RunRecord, State
from pilothouse.state import utcnow, write_atomic

pytestmark = pytest.mark.usefixtures("_own_state")


LOCAL = {"name": "local", "system": "local"}


@pytest.fixture
def _own_state(state_home: Path) -> Iterator[None]:
    yield
    for pilot in PILOTS:  # there is nobody who could end them
        assert isinstance(pilot, PilotRecord)
        pilot.state = State.FINISHED
        PILOTS.write(pilot)


def me() -> ProcessRef:
    """A supervisor that is alive."""
    process = psutil.Process()
    return ProcessRef(host=socket.gethostname(), pid=process.pid, started=process.create_time())


def make_pilot(name: str | None = "anna", state: State = State.FINISHED, exist: Exist = "number") -> PilotRecord:
    return claim(
        PILOTS, name, "local",
        lambda chosen: PilotRecord(
            name=chosen, site="local", state=state, created=utcnow(), settings=LOCAL, supervisor=me()
        ),
        exist,
    )  # fmt: skip


def make_run(
    name: str | None = "sim", state: State = State.FINISHED, exist: Exist = "number", pilot: PilotRecord | None = None
) -> RunRecord:
    on = pilot.name if pilot else "gone"
    created = pilot.created if pilot else None
    return claim(
        RUNS, name, "tasks",
        lambda chosen: RunRecord(
            name=chosen, kind="stream", pilot=on, pilot_created=created, state=state, created=utcnow()
        ),
        exist,
    )  # fmt: skip


def numbered_run(name: str) -> RunRecord:
    with pytest.warns(UserWarning, match="has ended and stays"):
        return make_run(name)


def test_an_ended_one_keeps_its_name_and_files_and_the_next_is_numbered() -> None:
    first = make_run("sim")
    (RUNS.folder("sim") / "traj.trr").write_text("frames")
    with pytest.warns(UserWarning, match="name='sim' is that of a run, which has ended and stays: this one is 'sim-2'"):
        second = make_run("sim")
    assert second.name == "sim-2"
    assert RUNS.read("sim") == first
    assert (RUNS.folder("sim") / "traj.trr").read_text() == "frames"
    assert ph.attach("sim-2").events()[0]["asked"] == "sim"
    assert numbered_run("sim").name == "sim-3"


def test_the_warning_says_that_the_one_before_goes_on() -> None:
    """A cell that is run again: what it started the last time is still there, and has no handle any more."""
    make_pilot()
    with pytest.warns(UserWarning, match=r"this one is 'anna-2'$"):
        make_pilot(state=State.STARTING)
    with pytest.warns(UserWarning, match=r"this one is 'anna-3', beside 'anna-2', which goes on$"):
        make_pilot()


def test_the_warning_is_at_the_users_line() -> None:
    make_run()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_run()
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


def test_a_warning_that_is_an_error_leaves_nothing(state_home: Path) -> None:
    make_run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="this one is 'sim-2'"):
            make_run()
    assert [run.name for run in ph.runs()] == ["sim"]
    assert [path.name for path in (state_home / "names").iterdir()] == ["sim"]


def test_where_the_user_wants_no_number_it_is_refused() -> None:
    make_run("sim")
    with pytest.raises(Conflict, match=r"a run of that name has ended; ph.attach\('sim'\) .*\.remove\(\)") as caught:
        make_run("sim", exist="error")
    assert caught.value.field == "name"
    with pytest.raises(InvalidInput, match="exist='maybe'") as wrong:
        make_run("other", exist="maybe")  # type: ignore[arg-type]
    assert wrong.value.field == "exist"
    assert [run.name for run in ph.runs()] == ["sim"]


def test_names_are_one_space_for_pilots_and_runs() -> None:
    pilot = make_pilot("both")
    with pytest.warns(UserWarning, match="that of a pilot"):
        run = make_run("both")
    assert run.name == "both-2"
    assert ph.attach("both").record.created == pilot.created
    with pytest.warns(UserWarning, match="that of a run"):
        assert make_pilot("both-2").name == "both-2-2"


def test_what_goes_on_is_refused_with_the_line_that_attaches_to_it() -> None:
    make_pilot("anna", State.STARTING)
    for make in (make_pilot, make_run):
        with pytest.raises(Conflict, match=r"a pilot of that name is going on; ph.attach\('anna'\) finds it"):
            make("anna")


def test_made_up_names_avoid_all_names() -> None:
    make_pilot("tasks-1")
    assert [make_run(None).name for _ in range(2)] == ["tasks-2", "tasks-3"]


def test_the_longest_name_can_be_numbered() -> None:
    name = "x" * 48
    make_run(name)
    assert numbered_run(name).name == "x" * 46 + "-2"
    assert len(next(iter(numbered(name)))) == 48


def test_records_of_a_version_without_a_space_of_names_count() -> None:
    RUNS.write(RunRecord(name="old", kind="stream", pilot="p", state=State.FINISHED, created=utcnow()))
    assert numbered_run("old").name == "old-2"
    RUNS.folder("left")  # a crash may have left no more than this
    (RUNS.folder("left") / "result").write_text("42")
    with pytest.raises(Conflict, match="another process is making"):
        make_run("left")
    assert (RUNS.folder("left") / "result").read_text() == "42"


CLAIM = """
import pathlib, sys, time, warnings
from pilothouse.errors import Conflict
from pilothouse.registry.naming import claim
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord, State
from pilothouse.state import utcnow
warnings.simplefilter("ignore")
kind, state, go, *names = sys.argv[1:]
def pilot(chosen):
    return PilotRecord(name=chosen, site="local", state=State(state), created=utcnow(), settings=LOCAL)
def run(chosen):
    return RunRecord(name=chosen, kind="stream", pilot="keeper", state=State(state), created=utcnow())
LOCAL = {"name": "local", "system": "local"}
records, make = (PILOTS, pilot) if kind == "pilots" else (RUNS, run)
look = pathlib.Path.exists
def slowly(path):  # others come between a look and what follows from it
    found = look(path)
    time.sleep(0.002)
    return found
pathlib.Path.exists = slowly
print("ready", flush=True)
while not pathlib.Path(go).exists():
    time.sleep(0.0005)
for name in names:
    try:
        print(claim(records, name, "stem", make).name, flush=True)
    except Conflict:
        print("refused", flush=True)
"""


def at_once(tmp_path: Path, state: str, *names: str) -> list[str]:
    """What four processes got that asked for `names` at the same moment, two for pilots and two for runs."""
    go = tmp_path / "go"
    asking = [
        subprocess.Popen([sys.executable, "-c", CLAIM, kind, state, str(go), *names], stdout=subprocess.PIPE, text=True)
        for kind in ("pilots", "runs") * 2
    ]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    go.touch()
    return [line for process in asking for line in process.communicate(timeout=120)[0].split()]


def test_processes_that_take_a_name_at_the_same_moment_are_told_apart(tmp_path: Path) -> None:
    make_pilot("keeper", State.STARTING)  # of the runs
    names = [f"sim-{i}" for i in range(20)]
    assert Counter(at_once(tmp_path, "starting", *names)) == {**dict.fromkeys(names, 1), "refused": 60}


def test_ended_ones_of_many_processes_all_stay(tmp_path: Path) -> None:
    make_run("sim")
    got = at_once(tmp_path, "finished", *["sim"] * 5)
    assert sorted(got) == sorted(f"sim-{i}" for i in range(2, 22))
    assert len([*PILOTS, *RUNS]) == 21
    assert not {record.name for record in PILOTS} & {record.name for record in RUNS}


def test_a_handle_is_of_one_record_for_ever() -> None:
    make_run("sim")
    make_pilot("anna")
    run, pilot = ph.Run("sim"), ph.Pilot("anna")
    pickled = pickle.dumps(run)
    assert pickle.loads(pickled).record == run.record
    run.remove()
    pilot.remove()
    for handle in (run, pilot):
        with pytest.raises(NotFound, match=r"no (run|pilot) called"):
            handle.state  # noqa: B018
    time.sleep(0.001)
    make_run("sim")
    make_pilot("anna")
    (RUNS.folder("sim") / "run.log").write_text("of the later one")
    stale = [
        lambda: run.record, lambda: run.logs(), lambda: run.events(), lambda: run.folder, lambda: run.frame(),
        lambda: run.result(), lambda: run.stop(), lambda: run.remove(), lambda: repr(run), lambda: pilot.record,
        lambda: pilot.events(), lambda: pilot.logs(), lambda: pilot.cancel(), lambda: pilot.recover(),
        lambda: pilot.remove(), lambda: pilot.runs(), lambda: pilot.timeline(), lambda: pilot.wait(),
        lambda: pilot.launch("count", {}), lambda: pickle.loads(pickled),
    ]  # fmt: skip
    for use in stale:
        with pytest.raises(NotFound, match=r"was removed; a later one has its name: ph.attach\('(sim|anna)'\)"):
            use()
    assert ph.attach("sim").logs().endswith("of the later one")


def test_removal_takes_the_record_its_folder_and_nothing_else() -> None:
    pilot = make_pilot("anna")
    make_run("sim", pilot=pilot)
    (RUNS.folder("sim") / "work").mkdir()
    (RUNS.folder("sim") / "work" / "out").write_text("1")
    ph.attach("sim").remove()
    assert not RUNS.path("sim").exists()
    assert [path.name for path in RUNS.root.iterdir()] == []
    make_run("kept", pilot=pilot)
    ph.attach("anna").remove()
    assert [run.name for run in ph.runs()] == ["kept"]
    assert make_run("sim", exist="error").name == "sim"  # its name is free again
    assert make_run("anna", exist="error").name == "anna"


def test_what_goes_on_can_not_be_removed() -> None:
    pilot = make_pilot("anna", State.STARTING)
    make_run("sim", State.RUNNING, pilot=pilot)
    with pytest.raises(Conflict, match=r"is starting: end it first, ph.attach\('anna'\).cancel\(\)"):
        ph.Pilot("anna").remove()
    with pytest.raises(Conflict, match=r"is running: end it first, ph.attach\('sim'\).stop\(\)"):
        ph.Run("sim").remove()
    assert len([*PILOTS, *RUNS]) == 2


def test_of_two_that_remove_the_same_one_one_does() -> None:
    make_run("sim")
    one, two = ph.Run("sim"), ph.Run("sim")
    one.remove()
    with pytest.raises(NotFound):
        two.remove()


def test_runs_of_an_earlier_pilot_of_the_same_name_are_not_the_later_ones() -> None:
    earlier = make_pilot("anna")
    make_run("before", pilot=earlier)
    ph.Pilot("anna").remove()
    later = make_pilot("anna")
    make_run("after", pilot=later)
    old = RunRecord(
        name="unmarked", kind="stream", pilot="anna", state=State.FINISHED, created=later.created - timedelta(days=1)
    )
    RUNS.write(old)  # of a version that did not note which pilot it was
    assert [run.name for run in ph.Pilot("anna").runs()] == ["after"]
    assert {bar.name for bar in ph.Pilot("anna").timeline().bars} == {"after"}


def test_a_run_on_a_host_with_a_slow_clock_is_its_pilots() -> None:
    pilot = make_pilot("anna")
    RUNS.write(
        RunRecord(
            name="slow", kind="stream", pilot="anna", pilot_created=pilot.created, state=State.FINISHED,
            created=pilot.created - timedelta(seconds=3),
        )
    )  # fmt: skip
    assert [run.name for run in ph.Pilot("anna").runs()] == ["slow"]


KILLED = """
import os
from pilothouse.registry import naming
from pilothouse.registry.records import RUNS
naming.claim(RUNS, "sim", "stem", lambda chosen: os._exit(9))
"""


def test_a_name_whose_taker_died_is_numbered_and_freed_by_a_sweep(state_home: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    taken = state_home / "names" / "sim"
    with pytest.raises(Conflict, match="another process is making something of that name"):
        make_run("sim")  # it may still come
    ago = time.time() - START_S - 1
    os.utime(taken, (ago, ago))
    with pytest.warns(UserWarning, match="is that of something, which has ended"):
        assert make_run("sim").name == "sim-2"
    remove_unused(TORN_S)
    assert taken.exists()
    ago = time.time() - TORN_S - 1
    os.utime(taken, (ago, ago))
    os.utime(state_home / "names" / "sim-2", (ago, ago))
    remove_torn()
    assert not taken.exists()
    assert (state_home / "names" / "sim-2").exists()


REMOVE_KILLED = """
import os, shutil
import pilothouse as ph
shutil.rmtree = lambda *_, **__: os._exit(9)
ph.attach("sim").remove()
"""


def test_what_a_killed_removal_left_is_swept_and_its_name_is_free() -> None:
    make_run("sim")
    write_atomic(RUNS.folder("sim") / "big", b"0" * 1000)
    subprocess.run([sys.executable, "-c", REMOVE_KILLED], check=False)
    left = list(RUNS.root.iterdir())
    assert len(left) == 2
    assert all(path.name.startswith(".sim.") for path in left)
    assert make_run("sim", exist="error").name == "sim"
    for path in left:
        ago = time.time() - TORN_S - 1
        os.utime(path, (ago, ago))
    remove_torn()
    assert [path.name for path in RUNS.root.iterdir()] == ["sim.json"]
