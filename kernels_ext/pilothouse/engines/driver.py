"""Kind ``service``: keeps as many members of an engine as are wanted, each on a node of its own, until stopped."""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from pilothouse.engines.book import Book, MemberFacts, load
from pilothouse.engines.held import Held
from pilothouse.engines.loading import engine
from pilothouse.engines.pages import connected
from pilothouse.engines.roster import Roster
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
        self._lives: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changes: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self.roster = Roster(context, self.engine, self.book, self._wake.set)
        self._changing = asyncio.Lock()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._told: list[dict[str, Any]] = []
        self._written: Book | None = None

    # ------------------------------------------------------------------ its life

    async def run(self) -> None:
        context = self.context
        context.on_leaving(self._node_leaves)
        context.on_order(self._order)
        self.book.complete = False
        context.no_progress()  # what an earlier supervisor saw on its way
        known, self.book.members = self.book.members, []
        if known:
            await context.settled()
            for facts in known:
                if facts.node in context.nodes and facts.state != "leaving":
                    self._begin(self.roster.add(facts))
            self._lose([facts for facts in known if facts.number not in self.roster.members])
        sampling = asyncio.create_task(self.roster.sample())
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
        firsts = {number for number, member in self.roster.members.items() if self.engine.first(member.facts.role)}
        for wave in (self.roster.members.keys() - firsts, firsts):
            await asyncio.gather(*(self.roster.members[number].end() for number in wave), return_exceptions=True)
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

    def _do(self, work: Coroutine[Any, Any, None], *, change: bool = True) -> asyncio.Task[None]:
        """Do this beside everything else; while it is a change of the service, that is not complete."""
        task, among = asyncio.create_task(work), self._changes if change else self._tasks
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(self._noticed)
        return task

    def _noticed(self, task: asyncio.Task[None]) -> None:
        """A task has ended: an error that nobody expects ends the service, with its words."""
        if not task.cancelled() and (error := task.exception()):
            self._fail(f"{type(error).__name__}: {error}")
        self._wake.set()

    # ------------------------------------------------------------------ the set-point

    def _step(self) -> None:
        """Have members come as far as they are wanted and there are nodes for them, and say how far it is."""
        roster = self.roster
        free = roster.free_nodes
        while len(roster.staying) < self.book.wanted and free and roster.may_begin:
            self._begin(roster.new(free.pop(0)))
        staying, serving = len(roster.staying), len(roster.serving)
        if roster.newcomers and serving == staying:
            newcomers, roster.newcomers = roster.newcomers, []
            self._do(self._admit(newcomers))
        self._say()
        self._tell_members()

    @property
    def _serving(self) -> list[dict[str, Any]]:
        """What the members that serve have told."""
        return [member.facts.told for member in self.roster.serving]

    def _say(self) -> None:
        """Say how far it is, to all who ask: who reads of an event finds what it has changed."""
        roster = self.roster
        staying, serving = len(roster.staying), len(roster.serving)
        going = len(roster.members) - staying
        self.book.complete = serving == self.book.wanted and not (going or self._changes)
        self.book.was_complete |= self.book.complete
        self.book.address = self.engine.address(self._serving)
        self.book.members = [member.facts for member in roster.members.values()]
        self._write()
        ready = bool(self.book.address) and self.book.was_complete
        self.context.serves(ready, roster.reason)

    def _tell_members(self) -> None:
        told = self.roster.told
        if told != self._told:
            self._told = told
            for member in self.roster.members.values():
                self._do(member.tell({"op": "members", "members": told}), change=False)

    # ------------------------------------------------------------------ members

    def _begin(self, member: Held) -> None:
        """Have it live."""
        life = self._lives[member.number] = asyncio.create_task(self._live(member))
        life.add_done_callback(self._noticed)
        life.add_done_callback(lambda _: self._lives.pop(member.number, None))

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
                self.roster.gone(member)
                return
            if member.going:
                return
            if member.facts.node not in self.context.nodes:
                self.roster.gone(member)
                self._lose([member.facts])
                return
            soon = time.monotonic() - begun < SETTLED_S and not member.waited
            in_a_row = in_a_row + 1 if soon else 1
            member.facts.reason = why
            self._say()
            self.context.event("member died", member=member.number, node=member.facts.node, reason=why, again=in_a_row)
            if in_a_row > (RESTARTS if member.served else 1):
                self.roster.gone(member)
                self._can_not_be_kept(member, why)
                return
            self._wake.set()
            await asyncio.sleep(2.0 ** (in_a_row - 2) if in_a_row > 1 else 0.0)

    def _can_not_be_kept(self, member: Held, why: str) -> None:
        others = self.roster.others(member)
        if not self.book.was_complete or not others or (member.served and self.engine.loses(member.facts.role, others)):
            self._fail(why)
            return
        self.book.wanted = max(len(others), self.engine.least)
        self.book.trouble = f"{member.facts.node} could not be kept: {why}"
        if member.served:
            self._lose([member.facts])

    def _lose(self, facts: list[MemberFacts]) -> None:
        """These have gone without a word."""
        for each in facts:
            others = [member.facts.role for member in self.roster.staying]
            self.context.event("member lost", member=each.number, node=each.node, role=each.role)
            if self.book.was_complete and (what := self.engine.loses(each.role, others)):
                self._fail(f"the node {each.node} was lost, and with it {what}")
                return
        if facts and self.roster.staying:
            self._do(self._make_good([each.number for each in facts]))

    async def _make_good(self, numbers: list[int]) -> None:
        roster = self.roster
        await self._until(lambda: bool(roster.serving) and len(roster.serving) == len(roster.staying), BACK_S)
        await self._change("lost", numbers=numbers)

    async def _admit(self, numbers: list[int]) -> None:
        if self.book.was_complete:
            await self._change("admit", but=numbers, numbers=numbers)
        self._wake.set()

    async def _change(
        self, hook: str, *, but: list[int] | None = None, deadline: float = math.inf, **arguments: Any
    ) -> bool:
        """Have a member that stays, if possible one that was there before, do this; whether it could.

        Where there is a deadline, it is told how many seconds are left when it is its turn.
        """
        async with self._changing:
            self._wake.set()
            # Of nodes that go together the last one may have left before the first that comes serves.
            await self._until(lambda: bool(self.roster.serving) or not self.roster.staying, BACK_S)
            serving = self.roster.serving
            chosen = [member for member in serving if member.number not in (but or ())] or serving
            if deadline < math.inf:
                arguments["seconds"] = max(deadline - time.monotonic(), 1.0)
            try:
                if not chosen:
                    raise Unavailable("no member serves at the moment")
                self.context.event(f"{hook} begins", member=chosen[0].number, **arguments)
                roles: Mapping[str, str] | None = await chosen[0].do(hook, self.roster.told, **arguments)
            except PilothouseError as error:
                self.book.trouble = f"{hook}: {error}"
                self.context.event(f"{hook} failed", member=chosen[0].number if chosen else 0, reason=str(error))
                return False
            else:
                self.roster.take_roles(roles or {})
                self.context.event(f"{hook} done", **arguments)
                return True
            finally:
                self._wake.set()

    # ------------------------------------------------------------------ leaving

    async def _node_leaves(self, node: str, seconds: float) -> None:
        """A node goes in a planned way: the member there leaves, which others bring to its end when time is over."""
        member = next((each for each in self.roster.staying if each.facts.node == node), None)
        if member is not None:
            member.going = True
            member.facts.state = "leaving"
            self._wake.set()
            await asyncio.wait([self._do(self._go_with(member, seconds))])

    async def _go_with(self, member: Held, seconds: float) -> None:
        """Another member comes in the place of this one, whose node has so many seconds; then this one leaves."""
        roster, node, deadline = self.roster, member.facts.node, time.monotonic() + seconds

        def followed() -> bool:
            return len(roster.serving) >= self.book.wanted or not (roster.can_come or roster.must_be_followed)

        await self._until(followed, seconds * TAKE_OVER)
        if what := self.engine.can_not_hand_over(member.facts.role, self.roster.others(member)):
            self.context.event("goes with its node", member=member.number, node=node, lost=what)
            await member.end()
            self.roster.gone(member)
            self._fail(f"the node {node} went, and with it {what}")
            return
        await self._leave(member, deadline, must=True)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline and not self.context.stopping.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # whatever changes it, of many members

    async def _leave(self, member: Held, deadline: float, *, must: bool) -> bool:
        """Have a member hand over to those that stay, and end; unless it `must`, it stays when it can't hand over.

        What it could not hand over is lost with it, and made good by the others as far as that goes.
        """
        number, handed_over = member.number, True
        if member.served and self.roster.serving:
            handed_over = await self._change("release", deadline=deadline, number=number)
            if not handed_over and not must:
                return False
            try:
                left = max(deadline - time.monotonic(), 1.0)
                self.roster.take_roles(await member.do("leave", self.roster.told, seconds=left) or {})
            except PilothouseError as error:
                handed_over = False
                self.context.event("leave failed", member=number, reason=str(error))
        await member.end()
        self.roster.gone(member)
        self.context.event("member left", member=number, node=member.facts.node)
        if not handed_over:
            self.book.trouble = ""  # what is not made good is
        if self.roster.serving:
            await self._change("forget" if handed_over else "lost", numbers=[number])
        return True

    async def _shrink(self, members: list[Held]) -> None:
        """Have these leave, one after the other; one that can't hand over stays."""
        for member in members:
            if not await self._leave(member, time.monotonic() + SHRINK_S, must=False):
                member.going, member.facts.state = False, "running"
                self.book.wanted += 1

    # ------------------------------------------------------------------ what users ask for

    async def _order(self, what: str, arguments: Mapping[str, Any]) -> Any:
        if what == "status":
            return self._status()
        if what == "pages":
            return await connected(self.engine, self._serving)
        if what == "extend":
            return self._extend(int(arguments["n"]))
        if what == "shrink":
            return self._give_back(int(arguments["n"]))
        if what not in self.engine.orders:
            raise InvalidInput(f"{what!r}: {self.engine.title} does not do that", field="what")
        if not self.roster.serving:
            raise Unavailable(f"{self.context.name!r} does not serve at the moment")
        return await self.roster.serving[0].do(what, self.roster.told, **arguments)

    def _status(self) -> dict[str, Any]:
        book = self.book
        return {
            "wanted": book.wanted, "complete": book.complete, "trouble": book.trouble, "address": book.address,
            "members": self.roster.status,
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
        surplus = len(self.roster.staying) - wanted
        chosen = self.roster.leavers(max(surplus, 0))
        self.book.wanted = wanted
        self.book.trouble, self.book.complete = "", False
        self.context.event("shrink", nodes=wanted, members=[member.number for member in chosen])
        for member in chosen:
            member.going, member.facts.state = True, "leaving"
        self._do(self._shrink(chosen))
        self._write()
        self._wake.set()
        return wanted
