"""How long the customer waits for others, and what it hears meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from pilothouse.errors import Unavailable, Untrusted
from pilothouse.market.messages import events
from pilothouse.market.messages.message import Message
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.session import Session

#: Once half have returned a result, the others get this many times what these took, and the job's patience at least.
PATIENCE = 2.0
#: Seconds for the relays to come back, for a run that goes on: perhaps they were lost with the same pilot.
RETURN_S = 60.0


class Stopped(Exception):
    """The user asked the job to stop."""


def connected(identity: Identity, relays: Sequence[str], stop: threading.Event, patience: float) -> Session:
    """A session with `relays`, which get `patience` seconds to come.

    Raises
    ------
    Unavailable
        They did not.
    Stopped
        As asked.
    """
    deadline = Deadline(patience)
    while True:
        try:
            return Session(identity, relays)
        except Unavailable:
            if deadline.left <= 0:
                raise
        if stop.wait(0.5):
            raise Stopped


class Deadline:
    """A moment `seconds` from now, which may be brought forward."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._seconds = seconds

    @property
    def left(self) -> float:
        """Seconds."""
        return self._begun + self._seconds - time.monotonic()

    def hurry(self, patience: float) -> None:
        """Enough answers are here: the others get `patience` seconds more, or longer where these took long."""
        taken = time.monotonic() - self._begun
        self._seconds = min(self._seconds, taken + max(taken * PATIENCE, patience))


def private_messages(session: Session, deadline: Deadline, stop: threading.Event) -> Iterator[Message]:
    """Private messages as they come, until the deadline; raises :class:`Stopped` when `stop` is set."""
    while (seconds := deadline.left) > 0:
        if stop.is_set():
            raise Stopped
        message = session.receive(min(seconds, 0.2))
        if message is not None and message.private:
            yield message


def parsed(model: type[events.M], message: Message) -> events.M | None:
    """The message as a `model`; None, and a line in the log, when it is none."""
    try:
        return model.parse(message.content)
    except Untrusted as error:
        print(f"{message.author[:8]} kind {message.kind}: {error}", flush=True)  # noqa: T201 - the run's log
        return None
