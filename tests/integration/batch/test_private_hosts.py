"""The hosts on which Grid Engine and OAR are tested are hosts, and leave nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.private_hosts import PrivateHosts
from tests.waiting import eventually

NAMES = ["login", "n1", "n2"]
HELD = """
import sys
from tests.private_hosts import PrivateHosts

with PrivateHosts(["login", "n1"]) as hosts:
    hosts.run("sh", "-c", "setsid sleep 654321 >/dev/null 2>&1 &", host="n1")
    print("started", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[PrivateHosts]:
    with contextlib.ExitStack() as stack:
        try:
            hosts = stack.enter_context(PrivateHosts(NAMES))
        except (RuntimeError, OSError) as error:
            pytest.skip(f"no private hosts here: {error}")
        yield hosts


def test_each_host_has_its_name_and_its_address(hosts: PrivateHosts) -> None:
    assert [hosts.run("hostname", host=name).strip() for name in NAMES] == NAMES
    for number, name in enumerate(NAMES, start=1):
        addresses = hosts.run("ip", "-4", "-brief", "address", host=name)
        assert f"10.77.0.{number}/24" in addresses


def test_hosts_reach_each_other_and_nobody_else(hosts: PrivateHosts) -> None:
    serve = "import socket; s = socket.create_server(('10.77.0.2', 4321)); s.accept()[0].sendall(b'hello')"
    connect = "import socket; print(socket.create_connection(('n1', 4321), timeout=30).recv(5))"
    with subprocess.Popen(hosts.wrap([sys.executable, "-c", serve], "n1")):
        eventually(lambda: ":10E1 " in hosts.run("cat", "/proc/self/net/tcp", host="n1"), "the server's port 4321")
        assert hosts.run(sys.executable, "-c", connect, host="n2").strip() == "b'hello'"
    outside = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    with pytest.raises(RuntimeError, match="Network is unreachable"):
        hosts.run(sys.executable, "-c", outside, host="n2")


def test_system_folders_are_written_to_without_a_trace_and_others_are_shared(
    hosts: PrivateHosts, tmp_path: Path
) -> None:
    for folder in ("/etc", "/var/tmp", "/run"):
        hosts.run("touch", f"{folder}/private-hosts-were-here")
        assert hosts.run("ls", f"{folder}/private-hosts-were-here", host="n2")
        assert not Path(folder, "private-hosts-were-here").exists()
    hosts.run("sh", "-c", 'echo shared >"$0"', str(tmp_path / "file"), host="n1")
    assert (tmp_path / "file").read_text() == "shared\n"


def test_a_command_that_fails_says_why(hosts: PrivateHosts) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)ls /missing: exit code 2.*No such file"):
        hosts.run("ls", "/missing")


def test_nothing_is_left_when_whoever_started_them_is_killed(hosts: PrivateHosts) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == "started\n"
        all_of_it = psutil.Process(held.pid).children(recursive=True)
        sleeper = next(process for process in psutil.process_iter() if "654321" in _command(process))
        held.send_signal(signal.SIGKILL)
    eventually(lambda: not any(process.is_running() for process in [*all_of_it, sleeper]), "the end of the hosts")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
