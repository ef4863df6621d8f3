"""Writing a pilot's record: soon, at once, or again until it can be; a home folder that is full ends nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pilothouse.errors import Unavailable
from pilothouse.registry import owning
from pilothouse.registry.records import PILOTS, PilotRecord
from pilothouse.state import utcnow

logger = logging.getLogger(__name__)

#: Seconds in which changes of the record are gathered before it is written.
WRITE_S = 0.02
#: Seconds after which what can't be written is tried again, and how long it is once the pilot has ended.
AGAIN_S, LAST_WORD_S = 2.0, 600.0


class Writing:
    """The record of one pilot, as its supervisor writes it.

    Parameters
    ----------
    derive
        Brings the record up to date before it is written.
    superseded
        Called when the record is another supervisor's by now, or was removed.

    Attributes
    ----------
    written, news
        The heartbeat of what is written; set for a moment when there is another.
    """

    def __init__(
        self, record: PilotRecord, derive: Callable[[], None], superseded: Callable[[owning.Superseded], None]
    ) -> None:
        self._record, self._derive, self._superseded = record, derive, superseded
        self.written, self.news = "", asyncio.Event()
        self._next: asyncio.TimerHandle | None = None
        self._trouble = ""

    def changed(self, now: bool = False) -> None:
        """Write the record soon, many changes at once; or `now`, before anybody else hears of what it says.

        Raises
        ------
        Unavailable
            It can't be written `now`. What was to be written soon is tried again.
        """
        if now and not self.write():
            raise Unavailable(f"the record {PILOTS.path(self._record.name)} can't be written: {self._trouble}")
        if not now and self._next is None:
            self._next = asyncio.get_running_loop().call_later(WRITE_S, self.write)

    def write(self) -> bool:
        """Write the record; whether that was possible. If not, it is tried again."""
        self._cancel()
        self._derive()
        self._record.heartbeat = utcnow()
        try:
            owning.write(self._record)
        except owning.Superseded as error:
            self._superseded(error)
        except (OSError, Unavailable) as error:
            self._say(error)
            self._next = asyncio.get_running_loop().call_later(AGAIN_S, self.write)
            return False
        self._trouble = ""
        self.written = self._record.heartbeat.isoformat()
        self.news.set()
        self.news.clear()
        return True

    async def last(self, more: Callable[[], bool]) -> None:
        """Write how the pilot has ended; again until it can be, for a while.

        Parameters
        ----------
        more
            Writes what goes with that; whether it was possible.
        """
        self._cancel()
        loop = asyncio.get_running_loop()
        until = loop.time() + LAST_WORD_S
        while True:
            done = more()
            try:
                owning.write(self._record)
            except owning.Superseded:
                return
            except (OSError, Unavailable) as error:
                self._say(error)
                done = False
            if done or loop.time() > until:
                return
            await asyncio.sleep(AGAIN_S)

    def _cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _say(self, error: Exception) -> None:
        why = str((isinstance(error, OSError) and error.strerror) or error)
        if why != self._trouble:
            self._trouble = why
            logger.warning("the record can't be written: %s", why)
