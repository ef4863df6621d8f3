"""A few hosts of one's own on this one, for daemons that want real host names, addresses and system folders.

Each host is a network and a name of its own; they share processes, and everything that they write to ``/etc``,
``/var`` and ``/run`` lies in memory. Linux namespaces do it (root): when their first process ends, the kernel ends all
others and forgets the rest, however the test ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import eventually

_START = r"""
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
for folder in etc var; do
  mkdir -p /run/.private/$folder/upper /run/.private/$folder/work
  mount -t overlay -o lowerdir=/$folder,upperdir=/run/.private/$folder/upper,workdir=/run/.private/$folder/work \
    overlay /$folder
done
# Batch jobs read these; what people have in them (pyenv, conda) is no part of a test and may not end.
for file in ~/.bashrc ~/.bash_profile ~/.profile; do
  [ ! -e "$file" ] || mount --bind /dev/null "$file"
done
hostname "$1"
ip link set lo up
ip link add switch type bridge
ip address add 10.77.0.1/24 dev switch
ip link set switch up
echo "127.0.0.1 localhost" >/etc/hosts
number=0
for host; do
  number=$((number + 1))
  echo "10.77.0.$number $host" >>/etc/hosts
  [ $number = 1 ] && continue
  unshare --net --uts bash -c 'hostname "$0"; ip link set lo up; exec sleep infinity' "$host" &
  until nsenter --target $! --uts hostname 2>/dev/null | grep -qx "$host"; do :; done
  ip link add port$number type veth peer name eth0 netns $!
  ip link set port$number master switch up
  nsenter --target $! --net ip address add 10.77.0.$number/24 dev eth0
  nsenter --target $! --net ip link set eth0 up
  echo $! >/run/.private/$host
done
echo ready
# Until whoever holds the other end closes it or dies; bash reaps what daemons leave behind meanwhile.
read -r || true
"""


class PrivateHosts:
    """Context manager; the first of `names` is where commands run that name no host.

    Parameters
    ----------
    names
        Of the hosts; their addresses are 10.77.0.1, 10.77.0.2, ...
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._first: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._first = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("bash", "-c", _START, "hosts", *self.names),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl+C is for the tests, which then end this
        )
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start(self) -> None:
        """Wait until the hosts are there; what runs on them is started by subclasses."""
        assert self._first is not None
        assert self._first.stdout is not None
        if self._first.stdout.readline() != "ready\n":
            raise RuntimeError(f"the hosts {', '.join(self.names)} can't be made; are you root?")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._first is not None
        self._first.communicate()
        self._first = None

    def wrap(self, argv: Sequence[str], host: str | None = None) -> list[str]:
        """The command line that runs `argv` on a host, in the same folder."""
        assert self._first is not None
        children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()
        enter = ["nsenter", "--target", children[0], "--net", "--mount", "--uts", "--ipc", "--pid", "--"]
        if host not in (None, self.names[0]):
            there = f'exec nsenter --target "$(cat /run/.private/{host})" --net --uts -- "$@"'
            enter += ["sh", "-c", there, "enter"]
        return [*enter, "env", f"--chdir={os.getcwd()}", *argv]

    def run(self, *argv: str, host: str | None = None, text: str | None = None) -> str:
        """What a command prints on a host; an error with its words when it fails."""
        done = subprocess.run(self.wrap(argv, host), input=text or "", capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def until(self, *argv: str, host: str | None = None, seconds: float = 60.0) -> None:
        """Repeat a command until it succeeds."""

        def done() -> bool:
            try:
                self.run(*argv, host=host)
            except RuntimeError as error:
                raise AssertionError(str(error)) from None
            return True

        eventually(done, " ".join(argv), seconds)


def beside(host: str) -> list[str]:
    """What goes before a command line on the first host, to have it run on another one."""
    return ["nsenter", "--target", Path(f"/run/.private/{host}").read_text().strip(), "--net", "--uts", "--"]


def run_tests(hosts: PrivateHosts, name: str, options: Sequence[str]) -> int:
    """Run the tests of folder ``tests/integration/NAME`` on the first of `hosts`; pytest's exit status.

    Where there can't be such hosts, that is said and no failure, except with ``CI=true``.
    """
    command = [sys.executable, "-m", "pytest", f"tests/integration/{name}", *options]
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hosts)
        except (RuntimeError, OSError) as error:
            print(f"left out: the tests on {name} need root and its packages of Debian.\n{error}", file=sys.stderr)
            return int(os.environ.get("CI") == "true")
        return subprocess.call(hosts.wrap(["env", f"PILOTHOUSE_TEST_BATCH={name}", *command]))
