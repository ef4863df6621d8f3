"""A member of a service on its node: the process that starts a framework's daemons there, watches them and ends them.

The driver starts it (:mod:`pilothouse.engines.driver`). What the two say to each other, as JSON:

- to the member: ``{"op": "members", "members": [...]}``, ``{"op": "do", "id", "what", "arguments", "members"}``, and
  ``{"op": "end"}`` before it is stopped for good;
- from it: ``{"publish": {...}}``, ``{"ready": True}``, ``{"metrics": {...}}``, ``{"event": what, ...}``,
  ``{"progress": [done, total, unit]}``, ``{"reason": words}``, ``{"answer": id, "value" | "failed"}``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pilothouse import remains
from pilothouse.engines.daemon import Daemon
from pilothouse.engines.jvm import archives
from pilothouse.engines.loading import engine
from pilothouse.engines.place import NodePlace
from pilothouse.engines.protocols import Member
from pilothouse.errors import Failed, InvalidInput, PilothouseError
from pilothouse.runs.channel import Channel

#: How many lives in a row of a daemon may be shorter than :data:`SETTLED_S` seconds and be followed by another.
RESTARTS = 3
SETTLED_S = 60.0
#: Seconds between two looks at a member's figures.
METRICS_S = 2.0
#: Seconds between two looks whether a full disk has room again.
ROOM_S = 1.0
#: The hooks that the driver may call.
HOOKS = frozenset({"admit", "release", "leave", "forget", "lost"})


class _Watch:
    """Starts daemons again that have died, with a limit; not while a disk is full, of which they would die again."""

    def __init__(self, place: NodePlace) -> None:
        self._place = place
        self._ready = threading.Event()
        self.failed = threading.Event()
        self.why = ""

    def begin(self) -> None:
        """The member is ready: from now on an end is a fault; before, whoever waits for the daemon hears of it."""
        self._ready.set()
        for daemon in self._place.daemons:
            self.add(daemon)

    def add(self, daemon: Daemon) -> None:
        """Watch this one."""
        if self._ready.is_set():
            threading.Thread(target=self._follow, args=(daemon,), name=f"watch-{daemon.name}", daemon=True).start()

    def _follow(self, daemon: Daemon) -> None:
        in_a_row = 0
        while True:
            code = daemon.ended()
            if daemon.expected or self._place.stopping:
                return
            in_a_row = in_a_row + 1 if time.monotonic() - daemon.begun < SETTLED_S else 1
            self._place.event("daemon died", daemon=daemon.name, code=code, restart=in_a_row, said=daemon.last_words)
            if full := self._place.disks.full():
                self.why = full
                self.failed.set()
                return
            if in_a_row > RESTARTS:
                self.why = f"it died {in_a_row} times in a row: {daemon.last_words}; {self._place.more}"
                self.failed.set()
                return
            try:
                daemon.kill()  # what it had started
                daemon.start()
            except OSError as error:
                self.why = f"{daemon.name} can't be started again: {error}"
                self.failed.set()
                return


class _Runtime:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._place = NodePlace(channel)
        self._watch = _Watch(self._place)
        self._place.started = self._watch.add
        self._orders = frozenset(engine(self._place.engine).orders)
        self._member: Member = engine(self._place.engine).member(self._place)
        self._hooks = ThreadPoolExecutor(1, "hooks")
        self._for_good = False
        self._over = threading.Event()

    def run(self) -> None:
        """Live: start, serve, stop."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        try:
            self._find_room()
            if not self._place.stopping:
                self._member.start()
            if not self._place.stopping:
                self._watch.begin()
                self._place.note_ready()
                self._channel.send({"ready": True})
                self._serve()
        except BaseException:
            self._place.forget_ports()
            raise
        finally:
            self._stop()
        if self._watch.failed.is_set():
            raise Failed(self._watch.why)

    def _find_room(self) -> None:
        """Wait while a disk is full: what is on it was acknowledged. A member that has nothing yet is not to begin."""
        full = self._place.disks.full()
        if full and not self._place.has_served:
            raise Failed(full)
        if full:
            self._place.event("waits for room on a disk", reason=full)
        while full and not self._over.wait(ROOM_S):
            self._channel.send({"reason": full})
            full = self._place.disks.full()

    def _listen(self) -> None:
        while not self._channel.stopping.is_set():
            message = self._channel.receive()
            if message is None:
                continue
            if message["op"] == "members":
                self._place.take_members(message["members"])
            elif message["op"] == "end":
                self._for_good = True
            elif message["op"] == "do":
                self._place.take_members(message["members"])
                self._hooks.submit(self._do, message)
        self._over.set()

    def _serve(self) -> None:
        """Tell figures, from the first moment on: counters count what comes after the first look."""
        said, pause = "", 0.0
        while not (self._over.wait(pause) or self._watch.failed.is_set()):
            pause = METRICS_S
            if (reason := "; ".join(filter(None, (self._place.disks.low(), self._place.waits_for)))) != said:
                said = reason
                self._channel.send({"reason": reason})
            try:
                metrics: Mapping[str, float] = self._member.metrics()
            except Exception:  # noqa: BLE001 - a daemon that is just being started again answers nothing
                traceback.print_exc()
            else:
                self._channel.send({"metrics": dict(metrics)})

    def _do(self, message: dict[str, Any]) -> None:
        what, arguments = message["what"], message["arguments"]
        try:
            hook: Callable[..., Any] = getattr(self._member, what) if what in HOOKS else self._ordered(what)
            self._channel.send({"answer": message["id"], "value": hook(**arguments)})
        except PilothouseError as error:
            self._channel.send({"answer": message["id"], "failed": error.to_dict()})
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            traceback.print_exc()
            failed = Failed(f"{what}: {type(error).__name__}: {error}")
            self._channel.send({"answer": message["id"], "failed": failed.to_dict()})

    def _ordered(self, what: str) -> Callable[..., Any]:
        if what not in self._orders:
            raise InvalidInput(f"{what!r}: not one of {sorted(self._orders)}", field="what")
        return lambda **arguments: self._member.do(what, **arguments)

    def _stop(self) -> None:
        self._hooks.shutdown(wait=False, cancel_futures=True)
        if self._for_good:
            with contextlib.suppress(PilothouseError):
                self._member.stop()
        for daemon in reversed(self._place.daemons):
            daemon.stop()
        if mark := os.environ.get(remains.MARK):  # what they have started in sessions of its own, such as containers
            remains.end(lambda: remains.marked(mark), 0.0)
        if self._for_good:
            shutil.rmtree(self._place.scratch, ignore_errors=True)


def main(channel: Channel) -> None:
    """Be a member until asked to end."""
    try:
        _Runtime(channel).run()
    finally:
        archives.give_up()
