"""Processes and ports of a cluster: each is started once, found free, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from tests.waiting import eventually

# Below the range that the kernel hands out to clients (32768 and up): no outgoing connection takes one in between.
_FIRST_PORT, _LAST_PORT = 21000, 29000
_BLOCK = 8
_STOP_TIMEOUT = 10.0


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports of 127.0.0.1 that nobody else has, for as long as the context lasts.

    A block of ports belongs to whoever holds the abstract Unix socket of its name: the kernel lets go of it when the
    process ends, and it lives in the same network namespace as the ports. Ports of a block that somebody else listens
    on without asking are found by binding to them.
    """
    if count > _BLOCK:
        raise ValueError(f"count = {count}: a block has {_BLOCK} ports")
    for first in range(_FIRST_PORT, _LAST_PORT, _BLOCK):
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0pilothouse-test-ports-{first}")
            except OSError:
                continue
            ports = list(range(first, first + count))
            if all(map(_is_free, ports)):
                yield ports
                return
    raise RuntimeError(f"no {count} free ports in a row between {_FIRST_PORT} and {_LAST_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT don't count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_listening(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


class Daemon:
    """One daemon in the foreground, our own child; it ends with us even where we are killed.

    Parameters
    ----------
    argv
        The command, with the option that keeps it in the foreground.
    log
        File for what it says.
    environment
        All its variables.
    """

    def __init__(self, argv: Sequence[str], log: Path, environment: Mapping[str, str]):
        self.name = Path(argv[0]).name
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                # setpriv: the kernel's parent-death signal, for a pytest that is killed
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
        self.pid = self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it and what it has forked, at once: nothing of it is wanted afterwards."""
        if self.is_running():
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_STOP_TIMEOUT)


def until(condition: Callable[[], bool], what: str, *, timeout: float, watched: Sequence[Daemon] = ()) -> None:
    """Wait for a condition; an ended daemon or the time-out end the wait with the daemons' words."""

    def met() -> bool:
        if condition():
            return True
        if ended := [daemon for daemon in watched if not daemon.is_running()]:
            raise RuntimeError(f"{what}: {ended[0].name} has ended\n{_said(ended)}")
        return False

    try:
        eventually(met, what, timeout)
    except AssertionError as error:
        raise RuntimeError(f"{error}\n{_said(watched)}") from None


def _said(daemons: Sequence[Daemon]) -> str:
    return "\n".join(f"--- {daemon.log}\n{tail(daemon.log)}" for daemon in daemons)


def tail(log: Path, lines: int = 30) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def kill_where(condition: Callable[[psutil.Process], bool]) -> None:
    """End every process for which ``condition`` is true, until there is none: it may have forked meanwhile."""
    while left := [process for process in psutil.process_iter() if _is_left(process, condition)]:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=_STOP_TIMEOUT)


def _is_left(process: psutil.Process, condition: Callable[[psutil.Process], bool]) -> bool:
    try:
        return process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and condition(process)
    except (psutil.Error, OSError):  # ended meanwhile, or somebody else's
        return False


def program(name: str) -> str | None:
    """Path of a daemon's program, also where an ordinary user's PATH leaves out the folders of daemons."""
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
    )
