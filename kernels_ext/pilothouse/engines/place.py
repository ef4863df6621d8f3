"""What a member gets on its node: folders, ports, daemons, and word to the others."""

from __future__ import annotations

import json
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pilothouse.engines.daemon import Daemon
from pilothouse.engines.disks import Disks
from pilothouse.engines.secrets import read
from pilothouse.errors import Failed, Unavailable
from pilothouse.runs.channel import Channel
from pilothouse.state import write_atomic

#: Ports are taken from these: below those that Linux gives to whoever connects somewhere, which change all the time.
PORTS = range(20_000, 32_000)
#: Seconds between two looks for what a member waits for: the longer one, where to answer costs a daemon that is just
#: starting dear.
LOOK_S, DEAR_LOOK_S = 0.02, 0.1


class NodePlace:
    """A :class:`pilothouse.engines.protocols.Place`.

    Attributes
    ----------
    disks
        Where its data is.
    daemons
        In the order in which they were started.
    started
        Called with each new one.
    """

    def __init__(self, channel: Channel) -> None:
        config = channel.config
        self._channel = channel
        self.engine, self.service = str(config["engine"]), str(config["service"])
        self.number, self.role = int(config["number"]), str(config["role"])
        self.node, self.host = str(config["node"]), str(config["host"])
        self.cores, self.memory = int(config["cores"]), int(config["memory"])
        self.folder = Path(config["folder"])
        self.settings: Mapping[str, Any] = config["settings"]
        self.secrets: Mapping[str, str] = read(self.folder)
        self.scratch = Path(os.environ.get("TMPDIR") or tempfile.gettempdir()) / f"{self.service}-{self.number}"
        self.scratch.mkdir(mode=0o700, exist_ok=True)
        kept = self.settings.get("keep")
        self.disks = Disks([self.scratch, *([Path(kept)] if kept else ())], self.node)
        self.daemons: list[Daemon] = []
        self.started: Callable[[Daemon], None] = lambda _: None
        self.waits_for = ""
        self._members: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.take_members(config["members"])

    @property
    def members(self) -> Mapping[int, Mapping[str, Any]]:
        """What is known of all members of the service, by number."""
        return self._members

    def take_members(self, members: Sequence[dict[str, Any]]) -> None:
        """Something is new about them."""
        self._members = {int(member["number"]): member for member in members}

    @property
    def stopping(self) -> bool:
        """Whether the member is to end."""
        return self._channel.stopping.is_set()

    # ------------------------------------------------------------------ ports

    @property
    def _ports(self) -> Path:
        return self.scratch / "ports.json"

    def ports(self, *names: str) -> dict[str, int]:
        """A free port of the host for each name; the same ones when the member is started again here."""
        known: dict[str, int] = json.loads(self._ports.read_bytes()) if self._ports.exists() else {}
        missing = [name for name in names if name not in known]
        if missing:
            known |= zip(missing, free_ports(self.host, len(missing), set(known.values())), strict=True)
            write_atomic(self._ports, json.dumps(known).encode())
        return {name: known[name] for name in names}

    def note_ready(self) -> None:
        """The member has served: others know its ports."""
        (self.scratch / "served").touch(mode=0o600)

    @property
    def has_served(self) -> bool:
        """Whether it has, in this life or an earlier one."""
        return (self.scratch / "served").exists()

    def forget_ports(self) -> None:
        """One that has never served begins with other ports the next time: somebody may have taken one of these."""
        if not self.has_served:
            self._ports.unlink(missing_ok=True)

    # ------------------------------------------------------------------ daemons

    def daemon(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace: float = 5.0,
    ) -> Daemon:
        """Start a process of the framework, which is started again when it dies."""
        log = self.folder / f"{self.engine}-{self.number}.{name}.log"
        try:
            daemon = Daemon(name, argv, log, env=env, cwd=cwd or self.scratch, grace=grace)
        except OSError as error:
            raise Failed(f"{name} can't be started on {self.node}: {argv[0]}: {error.strerror}") from None
        self.daemons.append(daemon)
        self.started(daemon)
        return daemon

    @property
    def more(self) -> str:
        """Where what daemons have said here can be read, to be added to the reason of a failure."""
        return f"ph.attach({self.service!r}).logs({self.node!r}) has all that was said"

    def until(self, condition: Callable[[], Any], what: str, seconds: float) -> Any:
        """The first true answer of `condition`; :class:`Failed` when none comes, or a daemon has ended."""
        deadline, trouble = time.monotonic() + seconds, ""
        while not self.stopping:
            begun = time.monotonic()
            try:
                if answer := condition():
                    return answer
            except Exception as error:  # noqa: BLE001 - what does not answer yet answers with all kinds of errors
                trouble = f": {type(error).__name__}: {error}"
            if gone := [daemon for daemon in self.daemons if daemon.code is not None and not daemon.expected]:
                raise Failed(f"{what}: {gone[0].last_words}; {self.more}")
            if time.monotonic() > deadline:
                words = "; ".join(daemon.last_words for daemon in self.daemons)
                raise Failed(f"{what}: not within {seconds:g} s{trouble}; {words}; {self.more}")
            time.sleep(min(max(LOOK_S, 10 * (time.monotonic() - begun)), DEAR_LOOK_S))
        raise Failed(f"{what}: the member was told to end")

    # ------------------------------------------------------------------ word to the others

    def publish(self, **facts: Any) -> None:
        """Tell the other members and the clients."""
        self._channel.send({"publish": facts})

    def event(self, what: str, **details: Any) -> None:
        """Add to the service's history."""
        self._channel.send({"event": what, **details, "member": self.number, "node": self.node})

    def progress(self, done: float, total: float, unit: str = "") -> None:
        """Say how far what the member is at is."""
        self._channel.send({"progress": [done, total, unit]})


def free_ports(host: str, number: int, taken: set[int]) -> list[int]:
    """So many ports of `host` at which nobody listens.

    Raises
    ------
    Unavailable
        There are none, or the host is no address of this machine.
    """
    found: list[int] = []
    held: list[socket.socket] = []
    why = "all are in use"
    try:
        for port in random.sample(PORTS, 500):
            if len(found) == number:
                return found
            if port in taken:
                continue
            probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            held.append(probe)
            try:
                probe.bind((host, port))
                found.append(port)
            except OSError as error:
                why = error.strerror or str(error)
    finally:
        for probe in held:
            probe.close()
    raise Unavailable(f"no {number} free ports of {host} from {PORTS.start} to {PORTS.stop - 1}: {why}")
