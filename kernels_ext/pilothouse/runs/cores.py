"""Who gets which cores and GPUs of a pilot's nodes: first come, first served, with gaps filled, nobody starved."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pilothouse.runs.news import News

#: The most seconds between two looks for what is free while somebody waits for cores.
LOOK = 1.0
_EXTENSION = "pilothouse-cores"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Capacity:
    """What a node has."""

    cores: int
    gpus: int = 0
    host: str = ""


@dataclass(frozen=True)
class Part:
    """What a task gets on one node: so many cores, and GPUs by index."""

    node: str
    cores: int
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Allocation:
    """What a task gets; of several nodes when it spans them."""

    parts: tuple[Part, ...]
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def node(self) -> str:
        """The first of its nodes."""
        return self.parts[0].node


@dataclass(frozen=True)
class Need:
    """What each task of a run needs.

    Attributes
    ----------
    cores
        Of a task, or of each of its MPI ranks.
    gpus
        Of a task; of each of its nodes when it spans several.
    ranks
        MPI ranks; 1 without MPI.
    """

    cores: int = 1
    gpus: int = 0
    ranks: int = 1

    def fits(self, node: Capacity) -> bool:
        """Whether the whole task fits on such a node when nothing else is on it."""
        return node.cores >= self.cores * self.ranks and node.gpus >= self.gpus

    def ranks_on(self, node: Capacity) -> int:
        """How many ranks such a node takes when it is all theirs."""
        return node.cores // self.cores if node.gpus >= self.gpus else 0


class Applicant(Protocol):
    """Somebody who wants cores: the driver of a run."""

    need: Need

    @property
    def avoid(self) -> set[str]:
        """Nodes on which it takes none now."""

    def wanted(self) -> int:
        """How many allocations it could use now."""

    def place(self, allocation: Allocation) -> None:
        """Use this one; give it back with :meth:`Cores.release`."""


class Ledger:
    """The arithmetic: what is used on each node, and where a need fits."""

    def __init__(self) -> None:
        self._cores: dict[str, int] = {}
        self._gpus: dict[str, set[int]] = {}

    def free(self, node: str, capacity: Capacity) -> Capacity:
        """What is left on `node`."""
        gpus = capacity.gpus - len(self._gpus.get(node, ()))
        return Capacity(capacity.cores - self._cores.get(node, 0), gpus, capacity.host)

    def find(self, need: Need, nodes: Mapping[str, Capacity], closed: frozenset[str]) -> Allocation | None:
        """Room for one task now, not on the `closed` nodes; None when there is none."""
        there = {name: capacity for name, capacity in nodes.items() if name not in closed}
        if any(need.fits(capacity) for capacity in nodes.values()):
            for name, capacity in there.items():
                if need.fits(self.free(name, capacity)):
                    return Allocation((self._part(name, need.cores * need.ranks, need.gpus, capacity),))
            return None
        empty = {name: capacity for name, capacity in there.items() if self.free(name, capacity) == capacity}
        chosen = span(need, empty)
        if chosen is None:
            return None
        return Allocation(tuple(self._part(name, nodes[name].cores, need.gpus, nodes[name]) for name in chosen))

    def reserve(self, need: Need, nodes: Mapping[str, Capacity]) -> frozenset[str]:
        """The nodes to keep for a need that does not fit now: those that have most free already."""
        order = sorted(nodes, key=lambda name: -self.free(name, nodes[name]).cores)
        ordered = {name: nodes[name] for name in order}
        fitting = [name for name in order if need.fits(nodes[name])]
        return frozenset(fitting[:1] or span(need, ordered) or ())

    def take(self, allocation: Allocation) -> None:
        """Note it as used."""
        for part in allocation.parts:
            self._cores[part.node] = self._cores.get(part.node, 0) + part.cores
            self._gpus.setdefault(part.node, set()).update(part.gpus)

    def give(self, allocation: Allocation) -> None:
        """Note it as free."""
        for part in allocation.parts:
            self._cores[part.node] -= part.cores
            self._gpus[part.node].difference_update(part.gpus)
            if not self._cores[part.node]:  # a node that never comes back is forgotten
                del self._cores[part.node], self._gpus[part.node]

    @property
    def used(self) -> Mapping[str, int]:
        """Cores in use, by node."""
        return self._cores

    def _part(self, node: str, cores: int, gpus: int, capacity: Capacity) -> Part:
        used = self._gpus.get(node, set())
        return Part(node, cores, tuple(itertools.islice((i for i in range(capacity.gpus) if i not in used), gpus)))


def span(need: Need, nodes: Mapping[str, Capacity]) -> Sequence[str] | None:
    """The first whole nodes that together take all ranks; None when they can't."""
    chosen, ranks = [], 0
    for name, capacity in nodes.items():
        if ranks < need.ranks and need.ranks_on(capacity):
            chosen.append(name)
            ranks += need.ranks_on(capacity)
    return chosen if ranks >= need.ranks else None


class Cores:
    """The allocator of one pilot.

    Applicants are served in the order in which they came. One that has to wait lets later ones fill the gaps,
    but not on the nodes that it waits for, so that a big task comes to its turn.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._ledger = Ledger()
        self._applicants: list[Applicant] = []
        self._closed: set[str] = set()
        self._looking: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, scheduler: Any) -> Cores:
        """The one allocator of the pilot with this Dask scheduler."""
        found: Cores = scheduler.extensions.setdefault(_EXTENSION, cls(scheduler))
        return found

    def nodes(self) -> dict[str, Capacity]:
        """What the nodes that take work have: the threads of their workers, and their Dask resource ``GPU``."""
        return {
            str(worker.name): Capacity(
                worker.nthreads, int(worker.resources.get("GPU", 0)), worker.address.split("://")[-1].rpartition(":")[0]
            )
            for worker in self._scheduler.workers.values()
            if worker.status.name == "running" and str(worker.name) not in self._closed
        }

    def close(self, node: str) -> None:
        """Give nothing more on `node`: it is about to go."""
        self._closed.add(node)

    @property
    def used(self) -> Mapping[str, int]:
        """Cores in use, by node."""
        return self._ledger.used

    def demand(self) -> int:
        """Cores that are in use and that are waited for."""
        waiting = sum(each.need.cores * each.need.ranks * each.wanted() for each in self._applicants)
        return sum(self._ledger.used.values()) + waiting

    def add(self, applicant: Applicant) -> None:
        """Serve `applicant` from now on."""
        self._applicants.append(applicant)
        self.dispatch()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    def remove(self, applicant: Applicant) -> None:
        """Serve it no more; what it has it gives back itself."""
        if applicant in self._applicants:
            self._applicants.remove(applicant)
            self.dispatch()

    def release(self, allocation: Allocation) -> None:
        """Take `allocation` back; :meth:`dispatch` gives it to the next."""
        self._ledger.give(allocation)

    def dispatch(self) -> None:
        """Give what is free to those who wait."""
        nodes = self.nodes()
        closed: frozenset[str] = frozenset()
        for applicant in list(self._applicants):
            while applicant.wanted() > 0:
                allocation = self._ledger.find(applicant.need, nodes, closed | applicant.avoid)
                if allocation is None:
                    avoid = applicant.avoid
                    others = {name: node for name, node in nodes.items() if name not in avoid}
                    closed = closed or self._ledger.reserve(applicant.need, others)
                    break
                self._ledger.take(allocation)
                applicant.place(allocation)

    async def _look(self) -> None:
        while self._applicants:
            await News.of(self._scheduler).heard(LOOK)
            self.dispatch()
