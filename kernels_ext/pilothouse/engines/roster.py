"""Who is in a service: its members, and the nodes that have none of it yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.engines.book import Book, MemberFacts
from pilothouse.engines.held import Held
from pilothouse.engines.protocols import Engine
from pilothouse.errors import Conflict
from pilothouse.runs.protocols import RunContext
from pilothouse.runs.terms import Terms

#: Seconds between two samples.
SAMPLE_S = 2.0


class Roster:
    """The members of one service.

    Attributes
    ----------
    members
        By number, those that are about to leave too.
    newcomers
        The numbers of those that have not been given their share yet.
    """

    def __init__(self, context: RunContext, engine: Engine, book: Book, changed: Callable[[], None]) -> None:
        self._context, self._engine, self._book, self._changed = context, engine, book, changed
        self.members: dict[int, Held] = {}
        self.newcomers: list[int] = []

    @property
    def staying(self) -> list[Held]:
        """Members that do not go."""
        return [member for member in self.members.values() if not member.going]

    @property
    def serving(self) -> list[Held]:
        """Members that are ready, and stay."""
        return [member for member in self.members.values() if member.serves]

    @property
    def told(self) -> list[dict[str, Any]]:
        """What members know of each other."""
        return [member.facts.told for member in self.members.values()]

    # ------------------------------------------------------------------ coming

    @property
    def free_nodes(self) -> list[str]:
        """Nodes without a member of this service."""
        taken = {member.facts.node for member in self.members.values()}
        return [node for node in self._context.nodes if node not in taken]

    @property
    def may_begin(self) -> bool:
        """Whether the next member may begin: one that others need has to have published something."""
        firsts = [member for member in self.staying if self._engine.first(member.facts.role)]
        return not firsts or any(member.facts.published for member in firsts)

    @property
    def can_come(self) -> bool:
        """Whether more members will serve than do now."""
        coming = any(member.facts.state == "starting" for member in self.staying)
        return coming or (len(self.staying) < self._book.wanted and bool(self.free_nodes))

    @property
    def must_be_followed(self) -> bool:
        """Whether nobody stays, and something is lost for good unless another one comes in time."""
        roles = [member.facts.role for member in self.members.values()]
        return not self.staying and any(self._engine.can_not_hand_over(role, []) for role in roles)

    def new(self, node: str) -> Held:
        """A member on this node, in the role that there is for it."""
        roles = [member.facts.role for member in self.staying]
        facts = MemberFacts(self._book.following, self._engine.role(roles, self._book.wanted), node, "")
        self._book.following += 1
        self.newcomers.append(facts.number)
        return self.add(facts)

    def add(self, facts: MemberFacts) -> Held:
        """The member of which this is known."""
        facts.state = "starting"
        self.members[facts.number] = member = Held(self._context, facts, self._config, self._changed)
        self._context.event("member comes", member=facts.number, node=facts.node, role=facts.role)
        return member

    def _config(self, facts: MemberFacts) -> Mapping[str, Any]:
        """What a member's process is started with."""
        host, cores, memory = self._worker(facts.node)
        facts.host = host or facts.host
        parameters = self._context.parameters
        return {
            "engine": parameters["engine"], "service": self._context.name, "number": facts.number, "role": facts.role,
            "node": facts.node, "host": facts.host, "cores": cores, "memory": memory,
            "folder": str(self._context.folder), "settings": parameters["settings"], "members": self.told,
        }  # fmt: skip

    def _worker(self, node: str) -> tuple[str, int, int]:
        """A node's address, cores, and bytes of memory."""
        for worker in self._context.scheduler.workers.values():
            if str(worker.name) == node:
                host = worker.address.split("://")[-1].rpartition(":")[0].strip("[]")
                return host, worker.nthreads, int(worker.memory_limit or 0)
        return "", 1, 0

    # ------------------------------------------------------------------ going

    def gone(self, member: Held) -> None:
        """It is no member any more."""
        self.members.pop(member.number, None)
        if member.number in self.newcomers:
            self.newcomers.remove(member.number)
        self._changed()

    def take_roles(self, roles: Mapping[str, str]) -> None:
        """These have other roles now, by number as JSON has it."""
        for number, role in roles.items():
            if int(number) in self.members:
                self.members[int(number)].facts.role = role

    def others(self, member: Held) -> list[str]:
        """The roles of those that stay beside this one."""
        return [each.facts.role for each in self.staying if each is not member]

    @property
    def bound(self) -> list[str]:
        """What can't be handed over when the walltime of a node is over, in words for people."""
        terms, found = Terms.of(self._context.scheduler), []
        for member in self.staying:
            node, role = member.facts.node, member.facts.role
            lost = terms.of_node(node) and self._engine.can_not_hand_over(role, self.others(member))
            if lost:
                found.append(
                    f"when the walltime of {node} is over (pilot.nodes has its time_left), with it goes {lost}"
                )
        return found

    @property
    def reason(self) -> str:
        """What is not as it should be, in words for people; empty where all is."""
        book, serving = self._book, len(self.serving)
        words = [] if book.complete else [f"{serving} of {book.wanted} nodes serve"]
        if len(self.staying) < book.wanted and self.may_begin:
            words.append("waits for a node of the pilot that has none of it yet; pilot.extend() gets one")
        words += [member.facts.reason for member in self.members.values() if member.facts.reason]
        words += self.bound
        if book.trouble:
            words.append(book.trouble)
        return "; ".join(words)

    @property
    def status(self) -> list[dict[str, Any]]:
        """All members as they are now, for who asks."""
        return [
            {**member.facts.told, "reason": member.facts.reason, "metrics": member.metrics}
            for member in self.members.values()
        ]

    @property
    def sums(self) -> dict[str, float]:
        """Of all members' figures."""
        found: dict[str, float] = {}
        for member in self.members.values():
            for name, value in member.metrics.items():
                found[name] = found.get(name, 0.0) + value
        return found

    async def sample(self) -> None:
        """Note the sum of all members' figures again and again."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            if sums := self.sums:
                self._context.telemetry.append(time.time(), {"nodes": float(len(self.serving)), **sums})

    def leavers(self, n: int) -> list[Held]:
        """So many members whose going loses nothing: the latest first, those that do not serve before all.

        Raises
        ------
        Conflict
            Fewer can go.
        """
        chosen: list[Held] = []
        for member in sorted(self.staying, key=lambda each: (each.serves, -each.number)):
            others = [each.facts.role for each in self.staying if each is not member and each not in chosen]
            if len(chosen) < n and not self._engine.can_not_hand_over(member.facts.role, others):
                chosen.append(member)
        if len(chosen) < n:
            first = next(member for member in self.staying if member not in chosen)
            what = self._engine.can_not_hand_over(first.facts.role, [])
            raise Conflict(f"n={n}: {len(chosen)} nodes can go, for with {first.facts.node} would go {what}", field="n")
        return chosen
