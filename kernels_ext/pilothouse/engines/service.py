"""The handle of a service: the same from the kernel, the shell and the server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Self

from pilothouse.engines import secrets
from pilothouse.engines.book import Book, load
from pilothouse.engines.loading import engine
from pilothouse.errors import Failed, InvalidInput, Lost, NotFound, Unavailable
from pilothouse.pictures import mimebundle
from pilothouse.registry.dashboard_link import service_link
from pilothouse.registry.logs import logs
from pilothouse.registry.records import PILOTS, RUNS, State
from pilothouse.runs.handle import Run
from pilothouse.waiting import wait_until

#: Seconds between two looks whether a service is ready.
LOOK_S = 0.02


class Service(Run):
    """An engine that runs on a pilot until it is stopped: a run without an end.

    It runs when a request to it was answered. ``Service(name)`` is the handle of its engine's own kind, which has the
    framework's own client.
    """

    def __new__(cls, name: str) -> Service:
        """The handle that belongs to the service's engine."""
        record, kind = RUNS.read(name), cls
        if cls is Service:
            with contextlib.suppress(InvalidInput, ImportError):  # its engine was uninstalled: it is shown all the same
                kind = engine(record.parameters["engine"]).handle()
        made = object.__new__(kind)
        made._created = record.created
        return made

    # ------------------------------------------------------------------ what it is

    @property
    def engine(self) -> str:
        """The name of its engine: ``kafka``, ``spark`` ..."""
        return str(self._read().parameters["engine"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was started with, all fields filled in."""
        found: Mapping[str, Any] = self._read().parameters["settings"]
        return found

    @property
    def address(self) -> str:
        """Where clients find it, as the framework writes it. Waits until the service is ready, as :meth:`wait`."""
        return self._serving().address

    @property
    def secrets(self) -> dict[str, str]:
        """What clients must know to be let in, from a file that is yours alone. Print none of it."""
        return secrets.read(self.folder)

    @property
    def members(self) -> list[dict[str, Any]]:
        """A mapping each of its members: ``number``, ``node``, ``host``, ``role``, ``state``, ``reason``, addresses."""
        return [{**member.told, "reason": member.reason} for member in self._book().members]

    @property
    def nodes(self) -> list[str]:
        """Names of the pilot's nodes that it is on."""
        return [member.node for member in self._book().members]

    @property
    def dashboard(self) -> str:
        """Where the framework's own pages are; empty while there are none.

        In a notebook a path on the Jupyter server, such as ``/user/alice/pilothouse/services/NAME/dashboard/``, for
        those who are logged in there. Elsewhere there are none: they let in nobody who has not the service's secret.
        """
        record = self.record
        if record.state.ended:
            return ""
        serving = [member.told for member in self._book().members if member.state == "running"]
        with contextlib.suppress(InvalidInput, ImportError, NotFound):  # its engine was uninstalled, its pilot removed
            if engine(self.engine).pages(serving):
                return service_link(PILOTS.read(record.pilot), self.name)
        return ""

    def metrics(self) -> dict[str, dict[str, float]]:
        """The latest figures, by node; counters are cumulative. What they were over time is in ``telemetry``."""
        status = self.order("status")
        return {member["node"]: member["metrics"] for member in status["members"]}

    def logs(self, node: str | None = None, tail: int = 200) -> str:  # type: ignore[override] # as a pilot's
        """The last lines of each of its processes, or of those that are, or were, on `node`.

        Raises
        ------
        NotFound
            It never was on that node.
        """
        if node is None:
            return super().logs(tail)
        labels = {event["member"] for event in self.events() if event.get("node") == node and "member" in event}
        if not labels:
            raise NotFound(f"node={node!r}: {self.name!r} never was there", field="node")
        texts = [
            f"== {path.stem}\n{logs(self.folder, path.stem, tail, path.stem)}"
            for number in sorted(labels)
            for path in sorted(self.folder.glob(f"{self.engine}-{number}.*log"))
        ]
        return "\n".join(texts)

    # ------------------------------------------------------------------ what can be done

    def client(self) -> Any:
        """The framework's own Python client, connected to this service.

        Raises
        ------
        NotFound
            This engine has none.
        """
        raise NotFound(f"{self.engine} has no client of its own; connect to {self.address!r}", field="engine")

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until as many nodes serve as are wanted, and what moves among them has moved.

        Raises
        ------
        Failed, Lost
            It has ended; or the last change could not be made. The message says why.
        WaitTimeout
            `timeout` seconds passed; the service goes on.
        """
        wait_until(
            self._is_complete, what=self._how_far, goes_on=self._goes_on, timeout=timeout, interval=LOOK_S,
            pause=time.sleep,
        )  # fmt: skip
        return self

    def extend(self, n: int = 1) -> Self:
        """Have it on `n` more nodes of the pilot; returns at once, :meth:`wait` waits until they have their share.

        It comes to nodes that have none of it yet; where there are none it waits for some (``pilot.extend()``).
        """
        self.order("extend", n=_count(n))
        return self

    def shrink(self, n: int = 1) -> Self:
        """Take it from `n` nodes, the latest first; what they have moves to the others before. Returns at once.

        Raises
        ------
        Conflict
            What they have can't go elsewhere, or that many are not there.
        """
        self.order("shrink", n=_count(n))
        return self

    def stop(self, timeout: float = 15.0) -> Self:
        """End it; returns when nothing of it is left: no process, no port, no file on a node, unless it was kept."""
        if not self.state.ended:
            try:
                self._ask("stop")
            except (NotFound, Unavailable):
                if not self.state.ended:
                    raise
            super().wait(timeout)
        return self

    def result(self, timeout: float | None = None) -> None:
        """A service has none; waits for its end, and raises where that was a failure."""
        super().wait(timeout)
        self._check_alive(or_ended=True)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any] | None:
        from pilothouse.engines.shown import shown

        text = "\n".join(filter(None, (repr(self), shown(self).text)))
        return mimebundle("run_mimebundle", self, text, text=text)

    def order(self, what: str, **arguments: Any) -> Any:
        """What the engine answers to one of its own orders, such as those in the docs of each; JSON in and out.

        Raises
        ------
        InvalidInput
            The engine takes no such order.
        Failed, Lost
            The service has ended.
        """
        self._check_alive()
        return self._ask("order", what=what, arguments=arguments)[0]

    def _book(self) -> Book:
        return load(self.folder) or Book(wanted=int(self._read().parameters["nodes"]))

    def _serving(self) -> Book:
        """The book, once clients can come."""
        if not (self.state is State.RUNNING and self._book().address):
            self.wait()
        return self._book()

    def _is_complete(self) -> bool:
        self._check_alive()
        book = self._book()
        if book.trouble:
            raise Failed(f"{self.name!r}: {book.trouble}")
        return book.complete and self.state is State.RUNNING

    def _check_alive(self, *, or_ended: bool = False) -> None:
        record = self.record
        if record.state is State.LOST:
            raise Lost(f"the service {self.name!r} was lost: {record.reason}")
        if record.state is State.FAILED or (record.state.ended and not or_ended):
            raise Failed(f"the service {self.name!r} is {record.state}: {record.reason}")


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InvalidInput(f"n={n!r}: a whole number, 1 or more", field="n")
    return n
