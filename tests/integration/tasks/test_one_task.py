"""An executable on a pilot: what it leaves, how it fails, and that it can be ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Conflict, Failed, InvalidInput, NotFound
from pilothouse.pilots import Pilot
from pilothouse.tasks.handle import Task
from tests.waiting import eventually


def test_an_executable_leaves_its_output_and_what_it_printed(local_pilot: Pilot) -> None:
    script = """
    echo made > "[x].log"; echo said; echo warned >&2; echo "$GREETING $OMP_NUM_THREADS $PILOTHOUSE_ATTEMPT" > out.txt
    """
    outputs = ["out.txt", "[[]x].log"]
    task = local_pilot.execute(["sh", "-c", script], env={"GREETING": "ahoy"}, outputs=outputs)
    assert isinstance(task, Task)
    files = {name: task.work / name for name in ("out.txt", "[x].log")}
    assert task.outputs == files, "before they are there"
    assert task.result(timeout=60) == task.outputs == files
    assert task.ref("[x].log").get() == b"made\n"
    assert task.outputs["out.txt"].read_text() == "ahoy 1 1\n"
    assert (task.exit_code, task.stdout(), task.stderr()) == (0, "said", "warned")
    assert "warned" in task.logs()
    assert task.progress == {"done": 1, "total": 1, "unit": "tasks"}
    assert float(task.telemetry["done"][-1]) == 1
    assert task.failed == []
    again = ph.attach(task.name)
    assert isinstance(again, Task)
    assert isinstance(pickle.loads(pickle.dumps(again)), Task)
    assert any(isinstance(run, Task) and run.name == task.name for run in local_pilot.runs())


def test_a_failing_one_says_what_it_was_and_its_last_words(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["sh", "-c", "echo no such molecule >&2; exit 3"])
    with pytest.raises(Failed, match=r"(?s)sh -c .*exit code 3.*no such molecule"):
        task.result(timeout=60)
    assert task.exit_code == 3
    assert task.failed == [0]


def test_one_that_is_not_there_fails_at_once(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["no-such-program", "-x"])
    with pytest.raises(Failed, match="'no-such-program' was not found on"):
        task.result(timeout=60)
    assert task.exit_code == 127
    task = local_pilot.execute([Path(__file__)])
    with pytest.raises(Failed, match="may not be executed"):
        task.result(timeout=60)


def test_a_signal_is_named(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["sh", "-c", "kill -SEGV $$"])
    with pytest.raises(Failed, match="SIGSEGV"):
        task.result(timeout=60)
    assert task.exit_code == -11


def test_time_out(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], timeout=0.5)
    with pytest.raises(Failed, match=r"timeout=0\.5"):
        task.result(timeout=60)
    assert task.exit_code == -9  # it did not hear SIGTERM


def test_inputs_are_linked_or_copied_and_missing_outputs_are_named(local_pilot: Pilot, tmp_path: Path) -> None:
    start = tmp_path / "start.xyz"
    start.write_text("C 0 0 0\n")
    (tmp_path / "field").mkdir()
    (tmp_path / "field" / "a").write_text("x")
    check = "test -L start.xyz && test -d field && cat start.xyz field/a > end.xyz"
    linked = local_pilot.execute(["sh", "-c", check], inputs=[start, tmp_path / "field"], outputs=["*.xyz"])
    assert set(linked.result(timeout=60)) == {"start.xyz", "end.xyz"}
    copied = local_pilot.execute(
        ["sh", "-c", "test ! -L in/s && echo more >> in/s"], inputs={"in/s": start}, stage="copy", outputs=["in/s"]
    )
    assert copied.result(timeout=60)["in/s"].read_text() == "C 0 0 0\nmore\n"
    assert start.read_text() == "C 0 0 0\n"
    forgotten = local_pilot.execute(["true"], outputs=["traj.dcd", "*.log"])
    with pytest.raises(Failed, match=r"left no 'traj\.dcd', '\*\.log'"):
        forgotten.result(timeout=60)


def test_a_reference_becomes_a_file(local_pilot: Pilot) -> None:
    positions = np.arange(12.0).reshape(4, 3)
    inputs = {"x.npy": ph.data.put(positions, pilot=local_pilot), "note": ph.data.put(b"bytes", pilot=local_pilot)}
    code = "import numpy as np; print(np.load('x.npy').sum(), open('note').read())"
    task = local_pilot.execute([sys.executable, "-c", code], inputs=inputs)
    task.result(timeout=60)
    assert task.stdout() == "66.0 bytes"
    gone = ph.data.put(b"bytes", pilot=local_pilot)
    gone.evict()
    with pytest.raises(Failed, match="evicted"):
        local_pilot.execute(["true"], inputs={"x": gone}).result(timeout=60)


def test_the_working_folder_may_be_the_users(local_pilot: Pilot, tmp_path: Path) -> None:
    task = local_pilot.execute(["sh", "-c", "pwd > here"], folder=tmp_path / "mine", outputs=["here"])
    task.result(timeout=60)
    assert task.work == tmp_path / "mine"
    assert (tmp_path / "mine" / "here").read_text().strip() == str(tmp_path / "mine")


def test_stop_ends_grandchildren_and_those_that_got_away(local_pilot: Pilot) -> None:
    script = "(sleep 300 & echo $! > child; wait) & setsid sleep 300 & echo $! > away; trap '' TERM; wait; sleep 300"
    task = local_pilot.execute(["sh", "-c", script])
    files = [task.work / "child", task.work / "away"]
    eventually(lambda: all(path.exists() and path.read_text().strip() for path in files))
    pids = [int(path.read_text()) for path in files]
    assert all(map(remains.lives, pids))
    task.stop()
    assert task.state == "finished"
    assert not any(map(remains.lives, pids))
    with pytest.raises(Failed, match="was stopped"):
        task.result()


def test_what_a_task_leaves_behind_ends_with_it(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["sh", "-c", "sleep 300 & echo $! > child"])
    task.result(timeout=60)
    assert not remains.lives(int((task.work / "child").read_text()))


def test_a_task_is_tried_again(local_pilot: Pilot) -> None:
    script = ["sh", "-c", "echo $PILOTHOUSE_ATTEMPT >> tries; test $PILOTHOUSE_ATTEMPT = 3"]
    task = local_pilot.execute(script, retries=2)
    task.result(timeout=60)
    assert (task.work / "tries").read_text().split() == ["1", "2", "3"]
    assert int(task.tasks["attempts"][0]) == 3
    with pytest.raises(Failed, match="exit code 1"):
        local_pilot.execute(script, retries=1).result(timeout=60)


def test_one_after_the_other(local_pilot: Pilot, tmp_path: Path) -> None:
    simulate = local_pilot.execute(["sh", "-c", "sleep 0.5; echo 1 2 3 > traj"], outputs=["traj"])
    analyse = local_pilot.execute(
        ["sh", "-c", "wc -w < traj > words"], inputs=[simulate.outputs["traj"]], outputs=["words"], after=[simulate]
    )
    more = local_pilot.execute(["cat", "words"], inputs=[analyse.outputs["words"]], after=analyse.name)
    more.result(timeout=60)
    assert more.stdout().strip() == "3"


def test_a_file_of_one_task_is_an_input_of_the_next_by_reference(local_pilot: Pilot) -> None:
    script = "while ! test -e ../go; do sleep 0.1; done; echo 1 2 3 > traj; echo > empty"
    simulate = local_pilot.execute(["sh", "-c", script], outputs=["traj", "e*"])
    ref = simulate.ref("traj")
    analyse = local_pilot.execute(
        ["sh", "-c", "cat traj again > words"], inputs={"traj": ref, "again": ref}, outputs=["words"]
    )
    copied = local_pilot.execute(["sh", "-c", "test ! -L words"], inputs=[analyse.ref("words")], stage="copy")
    (simulate.folder / "go").touch()  # nothing above waited for the file
    copied.result(timeout=60)
    assert analyse.ref("words").get() == b"1 2 3\n1 2 3\n"
    assert bytes(ref.view()) == b"1 2 3\n"
    assert Path(ref) == ref.path() == simulate.outputs["traj"]
    assert ph.data.FileRef.from_json(ref.model_dump_json()) == ref == pickle.loads(pickle.dumps(ref))
    assert simulate.ref("empty").get() == b"\n"


def test_a_dask_function_gets_a_reference_to_a_file_that_is_still_being_made(local_pilot: Pilot) -> None:
    script = ["sh", "-c", "while ! test -e ../../go; do sleep 0.1; done; echo $PILOTHOUSE_TASK > n"]
    tasks = local_pilot.map_execute([script] * 4, outputs=["n"])
    client = local_pilot.client()
    refs = [tasks.ref("n", task=number) for number in range(4)]
    waiting = client.map(lambda ref: int(ref.get()) + len(Path(ref).read_text()) - 1, refs)
    threads = sum(client.nthreads().values())
    others = client.map(lambda x: x, range(threads), pure=False)
    assert client.gather(others) == list(range(threads))  # those that wait hold up no thread
    (tasks.folder / "go").touch()
    assert client.gather(waiting) == [1, 2, 3, 4]


def test_a_reference_to_what_a_task_does_not_leave_says_so(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["sh", "-c", "echo no energy >&2; echo > made"], outputs=["made", "*.dcd"])
    for name in ("other", "*.dcd"):
        with pytest.raises(InvalidInput, match=r"these are 'made', '\*\.dcd'") as caught:
            task.ref(name)
        assert caught.value.field == "name"
    ref = task.ref("a.dcd")
    with pytest.raises(Failed, match=r"a\.dcd: the run '.*' that was to leave it failed: .*left no '\*\.dcd'"):
        ref.view()
    with pytest.raises(Conflict, match=r"inputs: after '.*', which failed: .*left no") as conflict:
        local_pilot.execute(["true"], inputs=[ref])
    assert conflict.value.field == "inputs"
    well = local_pilot.execute(["touch", "made"], outputs=["made"])
    well.ref("made").path().unlink()
    with pytest.raises(NotFound, match="is not there any more"):
        well.ref("made").get()


def test_a_file_of_one_of_many_tasks_is_good_when_others_fail(local_pilot: Pilot) -> None:
    tasks = local_pilot.map_execute(
        [["sh", "-c", f"echo {code} > out; exit {code}"] for code in (0, 1)], outputs=["out"]
    )
    gathered = local_pilot.execute(["cat", "out"], inputs=[tasks.ref("out", task=0)])
    gathered.result(timeout=60)
    assert gathered.stdout() == "0"
    failing = local_pilot.execute(["sh", "-c", "sleep 0.5; exit 4"], outputs=["out"])
    with pytest.raises(Failed, match=r"after '.*', which failed: exit code 4"):
        local_pilot.execute(["cat", "out"], inputs=[failing.ref("out")]).result(timeout=60)
    with pytest.raises(InvalidInput, match="say which, task=0 to 1"):
        tasks.ref("out")


def test_nothing_follows_a_failure(local_pilot: Pilot) -> None:
    first = local_pilot.execute(["sh", "-c", "sleep 0.5; exit 4"], name="first")
    second = local_pilot.execute(["touch", "made"], after=[first])
    with pytest.raises(Failed, match=r"after 'first', which failed: .*exit code 4"):
        second.result(timeout=60)
    assert not (second.work / "made").exists()
    with pytest.raises(Conflict, match="after 'first', which failed") as caught:
        local_pilot.execute(["true"], after=[first])
    assert caught.value.field == "after"


def test_dask_functions_and_executables_follow_each_other(local_pilot: Pilot) -> None:
    client = local_pilot.client()

    def slowly(x: int) -> int:
        time.sleep(0.5)
        return x + 1

    computed = client.submit(slowly, 1, pure=False)
    task = local_pilot.execute(["sh", "-c", "echo 42 > answer"], outputs=["answer"], after=[computed])
    del computed  # the task holds it
    read = client.submit(lambda outputs: int(outputs["answer"].read_text()), task.future())
    assert read.result(timeout=60) == 42
    other = ph.attach(local_pilot.name).client()  # type: ignore[union-attr]
    other.submit(slowly, 1).result(timeout=60)
    other.scheduler_comm.interval = 1.0  # it is slow to tell what comes next
    read = client.submit(lambda outputs: outputs["answer"].name, task.future(other))
    assert read.result(timeout=60) == "answer"
    other.close()
    failing = local_pilot.execute(["false"])
    with pytest.raises(Failed, match="exit code 1"):
        client.submit(lambda outputs: outputs, failing.future(client)).result(timeout=60)

    def wrong() -> None:
        raise ValueError("no convergence")

    with pytest.raises(Failed, match=r"after the Dask future .*no convergence"):
        local_pilot.execute(["true"], after=[client.submit(wrong, pure=False)]).result(timeout=60)


def test_what_a_task_holds_of_dask_is_let_go(local_pilot: Pilot) -> None:
    client = local_pilot.client()
    future = client.submit(sum, [1, 2], pure=False)
    key = future.key
    local_pilot.execute(["true"], after=[future]).result(timeout=60)
    del future

    def known(dask_scheduler: object) -> bool:
        names = [name for name in dask_scheduler.clients if name.startswith("pilothouse-") and len(name) == 27]  # type: ignore[attr-defined]
        return key in dask_scheduler.tasks or bool(names)  # type: ignore[attr-defined]

    eventually(lambda: not client.run_on_scheduler(known))


def test_a_task_can_be_awaited(local_pilot: Pilot) -> None:
    task = local_pilot.execute(["touch", "made"], outputs=["made"])

    async def wait() -> object:
        return await task

    assert asyncio.run(wait()) == task.outputs


@pytest.mark.parametrize(
    ("argv", "options", "field"),
    [
        ("ls -l", {}, "argv"),
        ([], {}, "argv"),
        ([""], {}, "argv"),
        (["a\0b"], {}, "argv"),
        ([None], {}, "argv"),
        (["true"], {"cores": 0}, "cores"),
        (["true"], {"cores": "many"}, "cores"),
        (["true"], {"cores": 99}, "cores"),
        (["true"], {"gpus": -1}, "gpus"),
        (["true"], {"gpus": 1}, "gpus"),
        (["true"], {"ranks": 0}, "ranks"),
        (["true"], {"ranks": 99}, "ranks"),
        (["true"], {"retries": -1}, "retries"),
        (["true"], {"stage": "move"}, "stage"),
        (["true"], {"timeout": "soon"}, "timeout"),
        (["true"], {"timeout": 0}, "timeout"),
        (["true"], {"launcher": []}, "launcher"),
        (["true"], {"env": ["A"]}, "env"),
        (["true"], {"env": {"A=B": 1}}, "env"),
        (["true"], {"env": {"A": None}}, "env"),
        (["true"], {"inputs": ["/no/such/file"]}, "inputs"),
        (["true"], {"inputs": "start.xyz"}, "inputs"),
        (["true"], {"inputs": {"../x": "/etc/passwd"}}, "inputs"),
        (["true"], {"inputs": {"/x": "/etc/passwd"}}, "inputs"),
        (["true"], {"inputs": ["/etc/passwd", "/usr/bin/../../etc/passwd"]}, "inputs"),
        (["true"], {"inputs": [3]}, "inputs"),
        (["true"], {"outputs": "traj"}, "outputs"),
        (["true"], {"outputs": ["../traj"]}, "outputs"),
        (["true"], {"outputs": [3]}, "outputs"),
        (["true"], {"after": [3]}, "after"),
        (["true"], {"folder": 3}, "folder"),
        (["true"], {"name": "Not A Name"}, "name"),
    ],
)
def test_bad_input_names_the_field_and_starts_nothing(
    local_pilot: Pilot, argv: object, options: dict[str, object], field: str
) -> None:
    before = len(ph.runs())
    with pytest.raises(InvalidInput) as caught:
        local_pilot.execute(argv, **options)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert str(caught.value).startswith(field)
    assert len(ph.runs()) == before


def test_another_pilots_future_is_refused(local_pilot: Pilot) -> None:
    from distributed import Client

    with Client(processes=False, n_workers=1, dashboard_address=None, set_as_default=False) as own:
        future = own.submit(os.getpid)
        with pytest.raises(InvalidInput, match="another scheduler"):
            local_pilot.execute(["true"], after=[future])
