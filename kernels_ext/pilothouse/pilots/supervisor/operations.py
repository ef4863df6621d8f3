"""What clients may ask of a supervisor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pilothouse.errors import Conflict, InvalidInput, Refused
from pilothouse.pilots.queues.protocols import Lent
from pilothouse.pilots.sites.check import check_nodes, checked, shown
from pilothouse.pilots.sites.description import PilotDescription, check
from pilothouse.pilots.sites.units import LONGEST_S
from pilothouse.pilots.sites.whole_jobs import check_whole
from pilothouse.registry.line.server import Answers, Handler
from pilothouse.registry.records import FIRST, Adapt, State

if TYPE_CHECKING:
    from pilothouse.pilots.supervisor.owner import Supervisor
    from pilothouse.runs.host import RunHost

#: The most nodes of a pilot that adapts, where its site has no limit of its own: as many as one may be submitted with.
MOST = 10_000
#: What requests change in the pilot's record.
CHANGED = ("wanted", "nodes_wanted", "adapt", "description", "lease_end")


class Requests:
    """The operations, by name."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._record = supervisor.record

    @property
    def answers(self) -> Answers:
        """For :mod:`pilothouse.registry.line.server`."""
        questions: dict[str, Handler] = {
            "frame": self._frame,
            "over": self._over,
            "status": self._status,
            "changed": self._changed,
            "dashboard": self._dashboard,
            "pages": self._pages,
        }
        changes: dict[str, Handler] = {
            "scale": self._op(self._scale),
            "adapt": self._op(self._adapt),
            "renew": self._op(self._renew),
            "prolong": self._op(self._prolong),
            "cancel": self._cancel,
            "launch": self._launch,
            "stop": self._stop_run,
            "order": self._order,
        }
        return Answers(questions, changes)

    def _op(self, function: Callable[..., Any]) -> Handler:
        async def handler(**arguments: Any) -> tuple[Any, bytes]:
            self._supervisor.touch()
            self._check_going_on()
            return function(**arguments), b""

        return handler

    def _check_going_on(self) -> None:
        if self._supervisor.ending.is_set():
            raise Conflict(f"the pilot {self._record.name!r} is ending", field="pilot")

    async def _runs(self) -> RunHost:
        """The pilot's runs, once it can have any."""
        await self._supervisor.ready.wait()
        return self._supervisor.runs

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Write what is changed here; where it can't be written it is refused, and nothing has changed."""
        before = {field: getattr(self._record, field) for field in CHANGED}
        try:
            yield
            self._supervisor.changed(True)
        except BaseException:
            for field, value in before.items():
                setattr(self._record, field, value)
            self._supervisor.nodes.redescribe()
            raise

    def _check_own(self, what: str) -> None:
        """Refuse to change the number of nodes, and how long they last, where places are lent."""
        if isinstance(self._supervisor.queue, Lent):
            raise Refused(
                f"{what}: the pilot {self._record.name!r} has a node beside each worker of a Dask cluster that it is "
                "attached to, and how many there are is the cluster's: scale that itself, such as cluster.scale(4)",
                field="nodes",
            )

    def _scale(
        self, nodes: int | None = None, by: int = 0, kind: str = FIRST, walltime: float | str | None = None
    ) -> int:
        self._check_own("scale")
        record, site = self._record, self._supervisor.site
        if kind not in record.wanted:
            there = ", ".join(map(repr, record.wanted))
            raise InvalidInput(f"kind={kind!r}: this pilot has no such kind of node; it has {there}", field="kind")
        own = record.wanted[kind]
        wanted = own + by if nodes is None else nodes
        if nodes is None:
            check_whole(abs(by), site, "n", 1)
        else:
            check_whole(nodes, site, "nodes", 0)
        if wanted < 0:
            raise InvalidInput(f"nodes={wanted}: there are {own}, so give at most {own} back", field="nodes")
        total = record.nodes_wanted - own + wanted
        if site.nodes is not None and total > site.nodes:
            raise InvalidInput(
                f"nodes={total}: site {site.name!r} has 0 to {site.nodes} nodes for a pilot", field="nodes"
            )
        wants, adapted = {**record.wanted, kind: wanted}, record.adapt is not None
        if wanted > own:
            self._check_numbers(wants)
        if wanted == own and not adapted and walltime is None:
            return total
        with self._all_or_nothing():
            if walltime is not None:
                self._set_walltime(kind, walltime)
            record.adapt, record.wanted, record.nodes_wanted = None, wants, total
        if adapted:
            self._supervisor.journal.add("adapt", minimum=None, maximum=None)
        if wanted != own:
            self._supervisor.journal.add("scale", nodes=total, kind=kind)
            self._supervisor.nodes.trying.again()
            self._supervisor.wake.set()
        return total

    def _check_numbers(self, wants: Mapping[str, int]) -> None:
        """Hold these numbers of nodes to what holds for a submission."""
        values = {**self._record.description, "site": self._record.site, "nodes": max(wants[FIRST], 1)}
        values["kinds"] = {name: {**each, "nodes": wants[name]} for name, each in values.get("kinds", {}).items()}
        check_nodes(check(PilotDescription, values), self._supervisor.site)

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
        self._check_own("adapt")
        record, site = self._record, self._supervisor.site
        if not 0 <= minimum <= maximum:
            raise InvalidInput(f"minimum={minimum}: from 0 up to maximum={maximum}", field="minimum")
        most = site.nodes or MOST
        if not 1 <= maximum <= most:
            raise InvalidInput(
                f"maximum={maximum}: site {site.name!r} has 1 to {most} nodes for a pilot", field="maximum"
            )
        check_whole(minimum, site, "minimum", 0)
        check_whole(maximum, site, "maximum", 1)
        with self._all_or_nothing():
            record.adapt = Adapt(minimum=minimum, maximum=maximum)
        self._supervisor.journal.add("adapt", minimum=minimum, maximum=maximum)

    def _renew(self) -> list[str]:
        self._check_own("renew")
        names = self._supervisor.nodes.renew()
        self._supervisor.journal.add("renew", nodes=names)
        self._supervisor.wake.set()
        return names

    def _prolong(self, lease: float) -> str:
        record, site = self._record, self._supervisor.site
        if record.lease_end is None:
            raise Conflict(f"the pilot {record.name!r} is ending", field="pilot")
        end = record.lease_end + timedelta(seconds=lease)
        most = site.lease or LONGEST_S
        if (end - record.created).total_seconds() > most:
            left = max(most - (record.lease_end - record.created).total_seconds(), 0.0)
            raise InvalidInput(
                f"lease={shown('lease', lease)}: site {site.name!r} gives a pilot {shown('lease', most)} in all, so "
                f"this one can be prolonged by {shown('lease', left)} at most",
                field="lease",
            )
        with self._all_or_nothing():
            record.lease_end = end
        self._supervisor.journal.add("prolong", lease_end=end.isoformat())
        self._supervisor.wake.set()
        return end.isoformat()

    async def _cancel(self) -> tuple[None, bytes]:
        self._supervisor.end(State.FINISHED, "cancelled")
        return None, b""

    async def _launch(self, name: str) -> tuple[None, bytes]:
        self._supervisor.touch()
        runs = await self._runs()
        self._check_going_on()
        runs.launch(name)
        self._supervisor.journal.add("run launched", run=name)
        return None, b""

    async def _stop_run(self, name: str) -> tuple[None, bytes]:
        await (await self._runs()).stop(name)
        return None, b""

    async def _order(self, name: str, what: str, arguments: dict[str, Any]) -> tuple[Any, bytes]:
        return await (await self._runs()).order(name, what, arguments), b""

    async def _dashboard(self) -> tuple[Any, bytes]:
        """A connection to Dask's pages. An open page is no work: it keeps no idle pilot alive."""
        self._check_dashboards()
        await self._supervisor.ready.wait()
        return await self._supervisor.dashboard.connect(), b""

    async def _pages(self, name: str) -> tuple[Any, bytes]:
        """A connection to a service's own pages."""
        self._check_dashboards()
        return await (await self._runs()).order(name, "pages", {}), b""

    def _check_dashboards(self) -> None:
        if not self._record.dashboard:
            raise Conflict(f"site {self._record.site!r} has no dashboards: its file says dashboard = false")

    async def _changed(self, since: str, wait: float) -> tuple[None, bytes]:
        """Answer when the record that is written is a later one than that of `since`. Who waits keeps nothing alive."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(wait, 25.0)):
                while self._supervisor.writing.written == since:
                    await self._supervisor.writing.news.wait()
        return None, b""

    async def _status(self, name: str) -> tuple[Any, bytes]:
        return (await self._runs()).status(name), b""

    async def _over(self, name: str, wait: float) -> tuple[None, bytes]:
        await (await self._runs()).over(name, wait)
        return None, b""

    async def _frame(self, name: str, since: int = 0, wait: float = 0.0) -> tuple[Any, bytes]:
        return await (await self._runs()).frame(name, since, wait)
