"""What clients may ask of a supervisor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pilothouse.errors import Conflict, InvalidInput
from pilothouse.pilots.sites.check import checked
from pilothouse.pilots.sites.description import PilotDescription, check
from pilothouse.pilots.sites.units import LONGEST_S, written
from pilothouse.registry.line.server import Handler
from pilothouse.registry.records import FIRST, Adapt, State

if TYPE_CHECKING:
    from pilothouse.pilots.supervisor.owner import Supervisor


class Requests:
    """The operations, by name."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._record = supervisor.record

    @property
    def handlers(self) -> dict[str, Handler]:
        """For :func:`pilothouse.registry.line.server.serve`."""
        return {
            "scale": self._op(self._scale),
            "adapt": self._op(self._adapt),
            "renew": self._op(self._renew),
            "prolong": self._op(self._prolong),
            "cancel": self._op(self._cancel),
            "launch": self._op(self._launch),
            "stop": self._stop_run,
            "frame": self._frame,
            "over": self._over,
            "status": self._status,
            "changed": self._changed,
            "dashboard": self._dashboard,
        }

    def _op(self, function: Callable[..., Any]) -> Handler:
        async def handler(**arguments: Any) -> tuple[Any, bytes]:
            self._supervisor.touch()
            return function(**arguments), b""

        return handler

    def _scale(
        self, nodes: int | None = None, by: int = 0, kind: str = FIRST, walltime: float | str | None = None
    ) -> int:
        record, site = self._record, self._supervisor.site
        if kind not in record.wanted:
            there = ", ".join(map(repr, record.wanted))
            raise InvalidInput(f"kind={kind!r}: this pilot has no such kind of node; it has {there}", field="kind")
        if walltime is not None:
            self._set_walltime(kind, walltime)
        own = record.wanted[kind]
        wanted = own + by if nodes is None else nodes
        if wanted < 0:
            raise InvalidInput(f"nodes={wanted}: there are {own}, so give at most {own} back", field="nodes")
        total = record.nodes_wanted - own + wanted
        if site.nodes is not None and total > site.nodes:
            raise InvalidInput(
                f"nodes={total}: site {site.name!r} has 0 to {site.nodes} nodes for a pilot", field="nodes"
            )
        if record.adapt is not None:
            record.adapt = None
            self._supervisor.journal.add("adapt", minimum=None, maximum=None)
            self._supervisor.changed(True)
        if wanted != own:
            record.wanted = {**record.wanted, kind: wanted}
            record.nodes_wanted = total
            self._supervisor.journal.add("scale", nodes=total, kind=kind)
            self._supervisor.nodes.reset_limit()
            self._supervisor.changed(True)
            self._supervisor.wake.set()
        return total

    def _set_walltime(self, kind: str, walltime: float | str) -> None:
        """Of the nodes of this kind that are submitted from now on."""
        values = {**self._record.description, "site": self._record.site}
        if kind == FIRST:
            values["walltime"] = walltime
        else:
            values["kinds"] = {**values["kinds"], kind: {**values["kinds"][kind], "walltime": walltime}}
        description = checked(check(PilotDescription, values), self._supervisor.site)
        self._record.description = description.model_dump(mode="json", exclude={"name", "site"})
        self._supervisor.nodes.redescribe()

    def _adapt(self, minimum: int, maximum: int) -> None:
        site = self._supervisor.site
        if not 0 <= minimum <= maximum:
            raise InvalidInput(f"minimum={minimum}: from 0 up to maximum={maximum}", field="minimum")
        if maximum < 1 or (site.nodes is not None and maximum > site.nodes):
            raise InvalidInput(
                f"maximum={maximum}: site {site.name!r} has 1 to {site.nodes or 10_000} nodes for a pilot",
                field="maximum",
            )
        self._record.adapt = Adapt(minimum=minimum, maximum=maximum)
        self._supervisor.journal.add("adapt", minimum=minimum, maximum=maximum)
        self._supervisor.changed(True)

    def _renew(self) -> list[str]:
        names = self._supervisor.nodes.renew()
        self._supervisor.journal.add("renew", nodes=names)
        self._supervisor.wake.set()
        return names

    def _prolong(self, lease: float) -> str:
        record, site = self._record, self._supervisor.site
        if record.lease_end is None:
            raise Conflict(f"the pilot {record.name!r} is ending", field="pilot")
        end = record.lease_end + timedelta(seconds=lease)
        most = timedelta(seconds=site.lease or LONGEST_S)
        if end - record.created > most:
            left = max(record.created + most - record.lease_end, timedelta())
            raise InvalidInput(
                f"lease={written(lease)!r}: site {site.name!r} gives a pilot {_hours(most)} in all, so this one can "
                f"be prolonged by {_hours(left)} at most",
                field="lease",
            )
        record.lease_end = end
        self._supervisor.journal.add("prolong", lease_end=end.isoformat())
        self._supervisor.changed(True)
        self._supervisor.wake.set()
        return end.isoformat()

    def _cancel(self) -> None:
        self._supervisor.end(State.FINISHED, "cancelled")

    def _launch(self, name: str) -> None:
        if self._supervisor.ending.is_set():
            raise Conflict(f"the pilot {self._record.name!r} is ending", field="pilot")
        self._supervisor.runs.launch(name)
        self._supervisor.journal.add("run launched", run=name)

    async def _stop_run(self, name: str) -> tuple[None, bytes]:
        await self._supervisor.runs.stop(name)
        return None, b""

    async def _dashboard(self) -> tuple[Any, bytes]:
        """A connection to Dask's pages. An open page is no work: it keeps no idle pilot alive."""
        if not self._record.dashboard:
            raise Conflict(f"site {self._record.site!r} has no dashboards: its file says dashboard = false")
        return await self._supervisor.dashboard.connect(), b""

    async def _changed(self, since: str, wait: float) -> tuple[None, bytes]:
        """Answer when the record that is written is a later one than that of `since`. Who waits keeps nothing alive."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(wait, 25.0)):
                while self._supervisor.written == since:
                    await self._supervisor.news.wait()
        return None, b""

    async def _status(self, name: str) -> tuple[Any, bytes]:
        return self._supervisor.runs.status(name), b""

    async def _over(self, name: str, wait: float) -> tuple[None, bytes]:
        await self._supervisor.runs.over(name, wait)
        return None, b""

    async def _frame(self, name: str, since: int = 0, wait: float = 0.0) -> tuple[Any, bytes]:
        return await self._supervisor.runs.frame(name, since, wait)


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:.4g} h"
