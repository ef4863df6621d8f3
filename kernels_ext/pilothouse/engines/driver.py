"""Kind ``service``: keeps as many members of an engine as are wanted, each on a node of its own, until stopped."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from pilothouse.engines.book import Book, MemberFacts, load
from pilothouse.engines.held import Held
from pilothouse.engines.loading import engine
from pilothouse.errors import Conflict, Failed, InvalidInput, PilothouseError, Unavailable
from pilothouse.runs.protocols import RunContext

#: The most seconds between two looks at the nodes that there are.
LOOK_S = 1.0
#: Of the seconds that a node has left, the share in which another one may take over.
TAKE_OVER = 0.6
#: How often a member is started again where it is, in a row.
RESTARTS = 3
#: Lives that are longer than so many seconds are none of a row.
SETTLED_S = 60.0
#: Seconds for which a member that users give back may hand over what it has.
SHRINK_S = 3600.0
#: Seconds in which those that were there before are to serve again, so that they can make good what others had.
BACK_S = 60.0
#: Seconds between two samples.
SAMPLE_S = 2.0


class ServiceDriver:
    """Drives one service.

    Members that go in a planned way hand over what they have first, where the engine can: to the others, and to the
    one that comes in their place. One whose process died is started again where it was, with its data; one whose node
    was lost is followed by a new one elsewhere.
    """

    resumable = True
    tells_ready = True

    async def run(self, context: RunContext) -> None:
        """Serve until stopped.

        Raises
        ------
        Failed
            It can't be started, or has lost for good what it can't do without.
        """
        await _Service(context).run()

    @staticmethod
    def load_result(folder: Path) -> None:
        """A service has no result."""


class _Service:
    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.engine = engine(context.parameters["engine"])
        self.book = load(context.folder) or Book(wanted=int(context.parameters["nodes"]))
        self.members: dict[int, Held] = {}
        self._lives: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changes: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._changing = asyncio.Lock()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._newcomers: list[int] = []
        self._told: list[dict[str, Any]] = []
        self._written: Book | None = None

    # ------------------------------------------------------------------ its life

    async def run(self) -> None:
        context = self.context
        context.on_leaving(self._node_leaves)
        context.on_order(self._order)
        self.book.complete = False
        known, self.book.members = self.book.members, []
        if known:
            await context.settled()
            for facts in known:
                if facts.node in context.nodes and facts.state != "leaving":
                    self._add(facts)
            self._lose([facts for facts in known if facts.number not in self.members])
        sampling = asyncio.create_task(self._sample())
        stopping = asyncio.create_task(context.stopping.wait())
        try:
            while not (context.stopping.is_set() or self._failed.done()):
                self._wake.clear()
                self._step()
                waking = asyncio.create_task(self._wake.wait())
                heard: set[asyncio.Future[Any]] = {waking, stopping, self._failed}
                await asyncio.wait(heard, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
        finally:
            for task in (sampling, stopping, *self._tasks, *self._changes):
                task.cancel()
            if not context.handing_over:
                await self._end()
            for life in list(self._lives.values()):
                life.cancel()
        if self._failed.done():
            self._failed.result()

    async def _end(self) -> None:
        """End all: those that others can't do without last."""
        self.book.address = ""
        firsts = {number for number, member in self.members.items() if self.engine.first(member.facts.role)}
        for wave in (self.members.keys() - firsts, firsts):
            await asyncio.gather(*(self.members[number].end() for number in wave), return_exceptions=True)
        self.book.members = []
        self._write()

    def _write(self) -> None:
        """Write the book, if anything in it is new."""
        if self.book != self._written:
            self.book.save(self.context.folder)
            self._written = copy.deepcopy(self.book)

    def _fail(self, why: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(Failed(why))

    def _do(self, work: Coroutine[Any, Any, None], *, change: bool = True) -> None:
        """Do this beside everything else; while it is a change of the service, that is not complete."""
        task, among = asyncio.create_task(work), self._changes if change else self._tasks
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(lambda _: self._wake.set())

    # ------------------------------------------------------------------ the set-point

    @property
    def staying(self) -> list[Held]:
        """Members that do not go."""
        return [member for member in self.members.values() if not member.going]

    @property
    def serving(self) -> list[Held]:
        """Members that are ready, and stay."""
        return [member for member in self.members.values() if member.serves]

    def _step(self) -> None:
        """Have members come as far as they are wanted and there are nodes for them, and say how far it is."""
        staying = self.staying
        free = self._free_nodes()
        while len(staying) < self.book.wanted and free and self._may_begin():
            roles = [member.facts.role for member in staying]
            facts = MemberFacts(self.book.following, self.engine.role(roles, self.book.wanted), *free.pop(0))
            self.book.following += 1
            self._newcomers.append(facts.number)
            self._add(facts)
            staying = self.staying
        if self._newcomers and len(self.serving) == len(staying):
            newcomers, self._newcomers = self._newcomers, []
            self._do(self._admit(newcomers))
        serving = len(self.serving)
        going = len(self.members) - len(staying)
        self.book.complete = serving == self.book.wanted and not (going or self._changes)
        self.book.was_complete |= self.book.complete
        self.book.address = self.engine.address([member.facts.told for member in self.serving])
        self.book.members = [member.facts for member in self.members.values()]
        self._write()
        ready = bool(self.book.address) and self.book.was_complete
        self.context.serves(ready, self._reason(len(staying), serving))
        self._tell_members()

    def _may_begin(self) -> bool:
        """Whether the next member may begin: one that others need has to have published something."""
        firsts = [member for member in self.staying if self.engine.first(member.facts.role)]
        return not firsts or any(member.facts.published for member in firsts)

    def _free_nodes(self) -> list[tuple[str, str]]:
        """Nodes without a member of this service, and their addresses."""
        taken = {member.facts.node for member in self.members.values()}
        return [(node, self._worker(node)[0]) for node in self.context.nodes if node not in taken]

    def _worker(self, node: str) -> tuple[str, int, int]:
        """A node's address, cores, and bytes of memory."""
        for worker in self.context.scheduler.workers.values():
            if str(worker.name) == node:
                host = worker.address.split("://")[-1].rpartition(":")[0].strip("[]")
                return host, worker.nthreads, int(worker.memory_limit or 0)
        return "", 1, 0

    def _reason(self, staying: int, serving: int) -> str:
        wanted = self.book.wanted
        words = [] if self.book.complete else [f"{serving} of {wanted} nodes serve"]
        if staying < wanted and self._may_begin():
            words.append("waits for a node of the pilot that has none of it yet; pilot.extend() gets one")
        words += [member.facts.reason for member in self.members.values() if member.facts.reason]
        if self.book.trouble:
            words.append(self.book.trouble)
        return "; ".join(words)

    def _tell_members(self) -> None:
        told = [member.facts.told for member in self.members.values()]
        if told != self._told:
            self._told = told
            for member in self.members.values():
                self._do(member.tell({"op": "members", "members": told}), change=False)

    # ------------------------------------------------------------------ members

    def _add(self, facts: MemberFacts) -> None:
        facts.state = "starting"
        self.members[facts.number] = member = Held(self.context, facts, self._config, self._wake.set)
        self.context.event("member comes", member=facts.number, node=facts.node, role=facts.role)
        self._lives[facts.number] = asyncio.create_task(self._live(member))

    def _config(self, facts: MemberFacts) -> Mapping[str, Any]:
        host, cores, memory = self._worker(facts.node)
        facts.host = host or facts.host
        parameters = self.context.parameters
        return {
            "engine": parameters["engine"], "service": self.context.name, "number": facts.number, "role": facts.role,
            "node": facts.node, "host": facts.host, "cores": cores, "memory": memory,
            "folder": str(self.context.folder), "settings": parameters["settings"],
            "members": [member.facts.told for member in self.members.values()],
        }  # fmt: skip

    async def _live(self, member: Held) -> None:
        """Have it live until it has left, is lost with its node, or can't be kept."""
        in_a_row = 0
        while True:
            begun = time.monotonic()
            try:
                await member.live_once()
            except (Failed, Unavailable) as error:
                why = str(error)
            else:
                self._gone(member)
                return
            if member.going:
                return
            if member.facts.node not in self.context.nodes:
                self._gone(member)
                self._lose([member.facts])
                return
            in_a_row = in_a_row + 1 if time.monotonic() - begun < SETTLED_S else 1
            member.facts.reason = why
            self.context.event("member died", member=member.number, node=member.facts.node, reason=why, again=in_a_row)
            if in_a_row > (RESTARTS if member.served else 1):
                self._gone(member)
                self._can_not_be_kept(member, why)
                return
            self._wake.set()
            await asyncio.sleep(2.0 ** (in_a_row - 2) if in_a_row > 1 else 0.0)

    def _gone(self, member: Held) -> None:
        self.members.pop(member.number, None)
        self._lives.pop(member.number, None)
        if member.number in self._newcomers:
            self._newcomers.remove(member.number)
        self._wake.set()

    def _can_not_be_kept(self, member: Held, why: str) -> None:
        others = [other.facts.role for other in self.staying]
        if not self.book.was_complete or not others or self.engine.loses(member.facts.role, others):
            self._fail(why)
            return
        self.book.wanted = max(len(self.staying), self.engine.least)
        self.book.trouble = f"a node could not be added: {why}"
        self._lose([member.facts])

    def _lose(self, facts: list[MemberFacts]) -> None:
        """These have gone without a word."""
        for each in facts:
            others = [member.facts.role for member in self.staying]
            self.context.event("member lost", member=each.number, node=each.node, role=each.role)
            if self.book.was_complete and (what := self.engine.loses(each.role, others)):
                self._fail(f"the node {each.node} was lost, and with it {what}")
                return
        if facts and self.staying:
            self._do(self._make_good([each.number for each in facts]))

    async def _make_good(self, numbers: list[int]) -> None:
        await self._until(lambda: bool(self.serving) and len(self.serving) == len(self.staying), BACK_S)
        await self._change("lost", numbers=numbers)

    async def _admit(self, numbers: list[int]) -> None:
        if self.book.was_complete:
            await self._change("admit", but=numbers, numbers=numbers)
        self._wake.set()

    async def _change(self, hook: str, *, but: list[int] | None = None, **arguments: Any) -> bool:
        """Have a member that stays, if possible one that was there before, do this; whether it could."""
        async with self._changing:
            self._wake.set()
            serving = self.serving
            chosen = [member for member in serving if member.number not in (but or ())] or serving
            try:
                if not chosen:
                    raise Unavailable("no member serves at the moment")
                self.context.event(f"{hook} begins", member=chosen[0].number, **arguments)
                await chosen[0].do(hook, self._told, **arguments)
            except PilothouseError as error:
                self.book.trouble = f"{hook}: {error}"
                self.context.event(f"{hook} failed", member=chosen[0].number if chosen else 0, reason=str(error))
                return False
            else:
                self.context.event(f"{hook} done", **arguments)
                return True
            finally:
                self._wake.set()

    # ------------------------------------------------------------------ leaving

    async def _node_leaves(self, node: str, seconds: float) -> None:
        """A node goes in a planned way: another member comes in the place of the one there, then that one leaves."""
        leaving = [member for member in self.members.values() if member.facts.node == node and not member.going]
        if not leaving:
            return
        member, deadline = leaving[0], time.monotonic() + seconds
        member.going = True
        member.facts.state = "leaving"
        self._wake.set()
        await self._until(lambda: len(self.serving) >= self.book.wanted or not self._can_come(), seconds * TAKE_OVER)
        others = [other.facts.role for other in self.staying]
        if what := self.engine.loses(member.facts.role, others):
            self.context.event("goes with its node", member=member.number, node=node, lost=what)
            await member.end()
            self._gone(member)
            self._fail(f"the node {node} went, and with it {what}")
            return
        await self._leave(member, max(deadline - time.monotonic(), 1.0), must=True)

    def _can_come(self) -> bool:
        coming = any(member.facts.state == "starting" for member in self.staying)
        return coming or (len(self.staying) < self.book.wanted and bool(self._free_nodes()))

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline and not self.context.stopping.is_set():  # noqa: ASYNC110 - of many members
            await asyncio.sleep(0.05)

    async def _leave(self, member: Held, seconds: float, *, must: bool) -> bool:
        """Have a member hand over to those that stay, and end; unless it `must`, it stays when it can't hand over."""
        number = member.number
        if member.served and self.serving:
            if not await self._change("release", number=number, seconds=seconds) and not must:
                return False
            try:
                await member.do("leave", self._told, seconds=seconds)
            except PilothouseError as error:
                self.context.event("leave failed", member=number, reason=str(error))
        await member.end()
        self._gone(member)
        self.context.event("member left", member=number, node=member.facts.node)
        if self.serving:
            await self._change("forget", numbers=[number])
        return True

    async def _shrink(self, members: list[Held]) -> None:
        """Have these leave, one after the other; one that can't hand over stays."""
        for member in members:
            if not await self._leave(member, SHRINK_S, must=False):
                member.going, member.facts.state = False, "running"
                self.book.wanted += 1

    # ------------------------------------------------------------------ what users ask for

    async def _order(self, what: str, arguments: Mapping[str, Any]) -> Any:
        if what == "status":
            return self._status()
        if what == "extend":
            return self._extend(int(arguments["n"]))
        if what == "shrink":
            return self._give_back(int(arguments["n"]))
        if what not in self.engine.orders:
            raise InvalidInput(f"{what!r}: {self.engine.title} does not do that", field="what")
        if not self.serving:
            raise Unavailable(f"{self.context.name!r} does not serve at the moment")
        return await self.serving[0].do(what, self._told, **arguments)

    def _status(self) -> dict[str, Any]:
        return {
            "wanted": self.book.wanted, "complete": self.book.complete, "trouble": self.book.trouble,
            "address": self.book.address,
            "members": [
                {**member.facts.told, "state": member.facts.state, "reason": member.facts.reason,
                 "metrics": member.metrics}
                for member in self.members.values()
            ],
        }  # fmt: skip

    def _extend(self, n: int) -> int:
        self.book.wanted += n
        self.book.trouble, self.book.complete = "", False
        self.context.event("extend", nodes=self.book.wanted)
        self._write()  # before it is answered: who waits for it reads this
        self._wake.set()
        return self.book.wanted

    def _give_back(self, n: int) -> int:
        wanted = self.book.wanted - n
        if wanted < self.engine.least:
            raise Conflict(
                f"n={n}: {self.context.name!r} has {self.book.wanted} nodes, and {self.engine.title} needs "
                f"{self.engine.least}; stop() ends it",
                field="n",
            )
        surplus = len(self.staying) - wanted
        chosen = self._leavers(max(surplus, 0))
        self.book.wanted = wanted
        self.book.trouble, self.book.complete = "", False
        self.context.event("shrink", nodes=wanted, members=[member.number for member in chosen])
        for member in chosen:
            member.going, member.facts.state = True, "leaving"
        self._do(self._shrink(chosen))
        self._write()
        self._wake.set()
        return wanted

    def _leavers(self, n: int) -> list[Held]:
        """So many members whose going loses nothing: the latest first, those that do not serve before all."""
        chosen: list[Held] = []
        for member in sorted(self.staying, key=lambda each: (each.serves, -each.number)):
            others = [each.facts.role for each in self.staying if each is not member and each not in chosen]
            if len(chosen) < n and not self.engine.loses(member.facts.role, others):
                chosen.append(member)
        if len(chosen) < n:
            member = self.staying[0]
            raise Conflict(
                f"n={n}: only {len(chosen)} nodes can go; with {member.facts.node} would go "
                f"{self.engine.loses(member.facts.role, [])}",
                field="n",
            )
        return chosen

    # ------------------------------------------------------------------ telemetry

    async def _sample(self) -> None:
        """The sum of all members' figures."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            sums: dict[str, float] = {}
            for member in self.members.values():
                for name, value in member.metrics.items():
                    sums[name] = sums.get(name, 0.0) + value
            if sums:
                self.context.telemetry.append(time.time(), {"nodes": float(len(self.serving)), **sums})
