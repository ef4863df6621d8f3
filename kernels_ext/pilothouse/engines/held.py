"""A member of a service, as its driver has it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.engines.book import MemberFacts
from pilothouse.errors import Lost, PilothouseError, Unavailable
from pilothouse.runs.keeping import Kept
from pilothouse.runs.protocols import RunContext

#: Seconds that a member has to end for good.
END_S = 6.0


class Held(Kept):
    """One member: its process on its node, and what that says.

    Attributes
    ----------
    facts
        Its entry in the service's book.
    metrics
        Its latest figures.
    served
        It has been ready at some time.
    waited
        In its latest life it waited for something before it began: that life says nothing of how well it lives.
    going
        It is about to leave: nothing new comes to it.
    changed
        Called when something about it has changed.
    """

    stays = True

    def __init__(
        self,
        context: RunContext,
        facts: MemberFacts,
        config: Callable[[MemberFacts], Mapping[str, Any]],
        changed: Callable[[], None],
    ) -> None:
        super().__init__(context, "pilothouse.engines.member", f"{context.parameters['engine']}-{facts.number}")
        self.facts, self._config, self.changed = facts, config, changed
        self.metrics: dict[str, float] = {}
        self.going, self.served, self.waited = False, False, False
        self._moves = False
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)

    @property
    def number(self) -> int:
        """The member's."""
        return self.facts.number

    @property
    def serves(self) -> bool:
        """Whether it is ready, and stays."""
        return self.facts.state == "running" and not self.going

    def config(self) -> Mapping[str, Any]:
        """What its process is started with."""
        return self._config(self.facts)

    def where(self) -> str:
        """Its node."""
        return self.facts.node

    async def hear(self, message: dict[str, Any]) -> bool:
        """Take in what it says."""
        if "event" in message:
            self.context.event(message.pop("event"), **message)
        elif "metrics" in message:
            self.metrics = message["metrics"]
        elif "answer" in message:
            self._arrived()  # it does one thing after the other
            self._answered(message)
        elif "progress" in message:
            self._moves = True
            self.context.progress(*message["progress"])
        elif "reason" in message:
            self.facts.reason = message["reason"]
            self.waited = self.waited or self.facts.state == "starting"
            self.changed()
        elif "publish" in message:
            self.facts.published.update(message["publish"])
            self.changed()
        elif "ready" in message:
            self._arrived()
            self.facts.state, self.facts.reason, self.served = "leaving" if self.going else "running", "", True
            self.context.event("member ready", member=self.number, node=self.facts.node, role=self.facts.role)
            self.changed()
        return False

    async def live_once(self) -> None:
        """One life of its process: see :meth:`Kept.live`."""
        self.waited = False
        try:
            await self.live()
        finally:
            if self.facts.state == "running":
                self.facts.state = "starting"
            self._arrived()
            self._give_up()
            self.changed()

    async def do(self, what: str, members: Sequence[Mapping[str, Any]], **arguments: Any) -> Any:
        """Call one of its hooks, or have it do what a user ordered; first tell it of all members.

        Raises
        ------
        PilothouseError
            What that raised; :class:`Lost` when it ended meanwhile.
        """
        if self.process is None or self.process.ended:
            raise Unavailable(f"{self.label} on {self.facts.node} is not there at the moment")
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            order = {"op": "do", "id": number, "what": what, "arguments": arguments, "members": members}
            await self.process.send(order)
            return await answer
        finally:
            self._answers.pop(number, None)

    async def end(self) -> None:
        """End it for good, with what it has on its node."""
        self.going = True
        await self.tell({"op": "end"})
        await self.stop(END_S)

    def _answered(self, message: dict[str, Any]) -> None:
        answer = self._answers.get(message["answer"])
        if answer is None or answer.done():
            return
        if "failed" in message:
            answer.set_exception(PilothouseError.from_dict(message["failed"]))
        else:
            answer.set_result(message["value"])

    def _arrived(self) -> None:
        """What it told the progress of is over, in whatever way."""
        if self._moves:
            self._moves = False
            self.context.no_progress()

    def _give_up(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Lost(f"{self.label} on {self.facts.node} ended meanwhile"))

    def failure(self, error: str) -> str:
        """The reason of a failure."""
        return f"on {self.facts.node}: {error}"  # its label looks as the name of a service
