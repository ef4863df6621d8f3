"""A real local pilot: what users do with it, and what must not happen to it."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlparse

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Conflict, Failed, InvalidInput, Lost, NotFound, Unavailable, WaitTimeout
from pilothouse.pilots import Pilot
from pilothouse.registry.line import client as control
from pilothouse.registry.records import PILOTS, PilotRecord
from pilothouse.runs.handle import Run
from pilothouse.state import utcnow
from tests.waiting import eventually, slowness


def processes(pilot: Pilot) -> list[psutil.Process]:
    record = pilot.record
    assert record.supervisor is not None
    supervisor = psutil.Process(record.supervisor.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def gone(found: list[psutil.Process]) -> bool:
    return not any(remains.is_running(p) for p in found)


def kind_of_buffer() -> str:
    """In what a node's Dask receives data."""
    from distributed.comm.tcp import host_array

    return type(host_array(8).obj).__name__


def test_tasks_run_on_every_node(local_pilot: Pilot) -> None:
    client = local_pilot.client()
    pids = client.run(os.getpid)
    assert len(set(pids.values())) == 2
    assert client.submit(sum, [1, 2, 3]).result() == 6
    assert local_pilot.client() is client
    running = {node.name: node.pid for node in local_pilot.nodes if node.state == "running"}
    assert set(running.values()) == set(pids.values())
    assert all(name.startswith("tests-") for name in running)


def test_every_listener_is_private(local_pilot: Pilot) -> None:
    record = local_pilot.record
    mode = os.stat(record.socket).st_mode
    assert stat.S_ISSOCK(mode)
    assert mode & 0o777 == 0o600
    assert (PILOTS.folder("tests") / "tls.key").stat().st_mode & 0o777 == 0o600
    for process in processes(local_pilot):
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == "127.0.0.1"
    address = urlparse(record.scheduler)
    assert address.scheme == "tls"
    assert address.port is not None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        socket.create_connection(("127.0.0.1", address.port)) as plain,
        context.wrap_socket(plain) as line,  # without the pilot's certificate
    ):
        line.sendall(b"x")
        if not line.recv(1):
            raise ConnectionError
    for process in processes(local_pilot):
        with contextlib.suppress(psutil.NoSuchProcess):
            assert "PRIVATE KEY" not in " ".join(process.cmdline())


def test_it_grows_and_shrinks_and_data_on_a_leaving_node_moves(state_home: Path) -> None:
    with ph.submit("local", nodes=1).wait() as pilot:
        assert pilot.extend(1).wait(timeout=60).record.nodes_wanted == 2
        assert all(node.pid and node.host for node in pilot.nodes)
        client = pilot.client()
        futures = [client.submit(lambda i: i * 10, i, workers=[node.name], pure=False)
                   for i, node in enumerate(pilot.nodes)]  # fmt: skip
        assert [future.result() for future in futures] == [0, 10]
        pilot.shrink(1)
        eventually(lambda: sum(node.state == "running" for node in pilot.nodes) == 1)
        assert [future.result() for future in futures] == [0, 10]
        states = {node.name: (node.state, node.reason) for node in pilot.nodes}
        eventually(lambda: ("finished", "shrunk") in {(n.state, n.reason) for n in pilot.nodes})
        assert len(states) == 2
        with pytest.raises(InvalidInput, match="0 to 64 nodes"):
            pilot.extend(100)
        with pytest.raises(InvalidInput, match="give at most 1 back"):
            pilot.shrink(5)
        for bad in (0, -1, 1.5, True):
            with pytest.raises(InvalidInput, match="a whole number, 1 or more"):
                pilot.extend(bad)  # type: ignore[arg-type]
        loaded = Path(f"/proc/{processes(pilot)[0].pid}/maps").read_text()
        assert not re.search("numpy|cryptography", loaded), "its supervisor is spared what it has no use for"
        assert set(client.run(kind_of_buffer).values()) == {"ndarray"}, "its nodes are not"


def test_a_node_that_dies_is_replaced(state_home: Path) -> None:
    with ph.submit("local", nodes=1).wait() as pilot:
        first = pilot.nodes[0]
        os.kill(first.pid, signal.SIGKILL)
        eventually(lambda: any(node.state == "failed" for node in pilot.nodes))
        pilot.wait(timeout=60)
        failed, running = pilot.nodes
        assert failed.name == first.name
        assert "SIGKILL" in failed.reason
        assert running.state == "running"
        assert pilot.client().submit(sum, [2, 2]).result(timeout=30) == 4


def test_a_pilot_whose_nodes_cannot_start_says_why_and_stops_trying(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PRELOAD", '["no_luck_on_this_node"]')  # every worker is to import it
    pilot = ph.submit("local", nodes=1)
    with pytest.raises(Failed, match="No module named 'no_luck_on_this_node'"):
        pilot.wait(timeout=90)
    assert pilot.state == "failed"
    assert "5 nodes failed in a row" in pilot.reason
    assert "Traceback" in pilot.logs(pilot.nodes[-1].name)
    assert gone_sockets(pilot)


def gone_sockets(pilot: Pilot) -> bool:
    return not list(control.runtime_folder().glob(f"{pilot.name}-*.sock"))


KERNEL = """
import sys, time
import pilothouse as ph
pilot = ph.submit("local", name="survivor", nodes=1).wait()
run = pilot.launch("count", {"to": 100000}, name="counting")
while not len(run.frame().time):
    time.sleep(0.02)
print("running", flush=True)
time.sleep(1000)
"""


def test_pilot_and_runs_outlive_a_killed_kernel_and_are_found_with_history(state_home: Path) -> None:
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL], stdout=subprocess.PIPE)
    assert kernel.stdout is not None
    assert kernel.stdout.readline() == b"running\n"
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    pilot, run = ph.attach("survivor"), ph.attach("counting")
    assert isinstance(pilot, Pilot)
    assert isinstance(run, Run)
    before = run.frame()
    assert before.columns["produced"][0] == 1.0, "the history begins at the beginning"
    after = run.frame(since=before.seq, wait=10)
    assert not after.reset
    assert after.columns["produced"][0] == before.columns["produced"][-1] + 1, "nothing is missing in between"
    assert [event["what"] for event in run.events()][:2] == ["started", "process started"]
    run.stop()
    assert run.state == "finished"
    assert run.result()["total"] == run.telemetry.produced.values[-1]
    everything = processes(pilot)
    pilot.cancel()
    eventually(lambda: gone(everything))
    assert gone_sockets(pilot)


def test_a_crash_of_native_code_is_told(state_home: Path) -> None:
    pilot = ph.submit("local", name="doomed").wait(nodes=0)
    processes(pilot)[0].send_signal(signal.SIGSEGV)
    eventually(lambda: pilot.state == "lost")
    assert "Segmentation fault" in pilot.reason.splitlines()[-1]


def test_a_killed_supervisor_leaves_nothing_but_the_truth(state_home: Path) -> None:
    pilot = ph.submit("local", name="doomed", nodes=2).wait()
    run = pilot.launch("count", {"to": 100000})
    eventually(lambda: len(run.frame().time))
    everything = processes(pilot)
    scratch = Path(PILOTS.read("doomed").scratch)
    everything[0].send_signal(signal.SIGKILL)
    eventually(lambda: gone(everything))
    assert pilot.state == "lost"
    assert pilot.reason.endswith("was killed or crashed")  # and nothing of what its log says of everyday work
    assert run.state == "lost"
    assert "doomed" in run.reason
    assert {node.state for node in pilot.nodes} == {"lost"}
    with pytest.raises(Lost, match="was killed or crashed"):
        pilot.wait()
    with pytest.raises(Lost, match="was lost"):
        run.result()
    with pytest.raises(Conflict, match="is lost"):
        pilot.extend()
    assert gone_sockets(pilot)
    assert not [node.name for node in pilot.nodes if (scratch / node.name).exists()]  # which ended by themselves
    assert not list(PILOTS.folder("doomed").glob("tls.*"))
    pilot.remove()
    assert ph.submit("local", name="doomed", nodes=1).wait().state == "running", "the name is free again"


def test_nodes_find_the_modules_beside_the_notebook(
    state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "neighbour.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with ph.submit("local", nodes=1).wait() as pilot:
        neighbour = importlib.import_module("neighbour")
        assert pilot.client().submit(neighbour.double, 21).result(timeout=60) == 42


@pytest.mark.slow
def test_idle_time_and_lease_end_a_pilot(state_home: Path) -> None:
    idle = ph.submit("local", name="idle", idle_timeout="1s")
    leased = ph.submit("local", name="leased", lease=f"{25 * slowness():.0f}s")
    leased.wait()
    run = leased.launch("count", {"to": 100000})
    eventually(lambda: idle.state.ended and leased.state.ended)
    assert (idle.state, idle.reason) == ("finished", "idle for 1 s")
    assert (leased.state, leased.reason) == ("finished", "the lease is over")
    assert run.state == "finished", "the run was stopped and kept what it had"
    assert run.result()["total"] > 0


def test_names_in_use_and_unknown_names(state_home: Path) -> None:
    with ph.submit("local", name="mine", nodes=1).wait() as pilot:
        with pytest.raises(Conflict, match=r"ph\.attach\('mine'\)") as caught:
            ph.submit("local", name="mine")
        assert caught.value.field == "name"
        run = pilot.launch("count", {"to": 100000}, name="mine-run")
        with pytest.raises(Conflict, match="a run of that name"):
            pilot.launch("count", {"to": 1}, name="mine-run")
        with pytest.raises(InvalidInput, match="no such kind"):
            pilot.launch("nonsense", {}, name="other")
        assert [found.name for found in ph.runs()] == ["mine-run"], "a refused run leaves no trace"
        run.stop()
        with pytest.warns(UserWarning, match="this one is 'mine-run-2'"):
            later = pilot.launch("count", {"to": 1}, name="mine-run")
        assert later.result() == {"total": 1}
        with pytest.raises(NotFound, match="there are mine, mine-run, mine-run-2"):
            ph.attach("yours")
        with pytest.raises(NotFound, match="no such node"):
            pilot.logs("mine-99")
    with pytest.raises(Conflict, match="is finished: cancelled"):
        pilot.extend()


def test_the_idle_clock_stands_still_while_a_run_goes_on(local_pilot: Pilot) -> None:
    run = local_pilot.launch("count", {"to": 100000})
    eventually(lambda: local_pilot.record.idle_end is None)
    run.stop()
    eventually(lambda: local_pilot.record.idle_end is not None)


def test_a_failed_run_says_why_with_its_last_log_lines(local_pilot: Pilot) -> None:
    run = local_pilot.launch("count", {"to": 3, "fail": "the disk is full"})
    with pytest.raises(Failed, match="the disk is full"):
        run.result(timeout=30)
    assert "counting" in run.logs()
    assert "Traceback" in run.logs()


def test_waiting_ends_in_time_and_on_interrupt_and_says_what_goes_on(local_pilot: Pilot) -> None:
    run = local_pilot.launch("count", {"to": 100000}, name="endless")
    with pytest.raises(WaitTimeout, match=r"ph\.attach\('endless'\)\.stop\(\)"):
        run.wait(timeout=0.2)
    waiter = subprocess.Popen(
        [sys.executable, "-c", "import pilothouse as ph; r = ph.attach('endless'); print('w', flush=True); r.wait()"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert waiter.stdout is not None
    waiter.stdout.readline()
    eventually(lambda: psutil.Process(waiter.pid).status() == psutil.STATUS_SLEEPING)
    begun = time.monotonic()
    waiter.send_signal(signal.SIGINT)
    _, text = waiter.communicate(timeout=60)
    seconds = time.monotonic() - begun
    assert b"'endless' goes on" in text
    assert seconds < 10 * slowness()
    assert run.state == "running"
    run.stop()


def test_a_supervisor_that_does_not_answer_is_named(tmp_path: Path) -> None:
    record = PilotRecord(name="gone", site="local", created=utcnow(), socket=str(tmp_path / "nobody.sock"))
    with pytest.raises(Unavailable, match="can't be reached"):
        control.call(record, "ping")
