"""Whether a pilot goes on trying to get nodes, and when: quotas are full for a time, and some things never work."""

from __future__ import annotations

import time
from collections.abc import Callable

from pilothouse.registry.journal import Journal

#: After this many failures in a row without a node that came up, the pilot stops trying.
LIMIT = 5
#: The most seconds between two tries.
MOST_S = 60.0


class Trying:
    """The tries of one pilot.

    Attributes
    ----------
    exhausted
        Why it has stopped trying; empty while it has not.
    refusal
        Why the batch system did not take the last job; empty once it has taken one.
    """

    def __init__(self, journal: Journal, changed: Callable[[], None]) -> None:
        self._journal, self._changed = journal, changed
        self.again()

    def again(self) -> None:
        """Begin anew: the user has changed something."""
        self.exhausted = self.refusal = ""
        self._failures, self._refusals, self._not_before = 0, 0, 0.0

    @property
    def may(self) -> bool:
        """Whether it is time to try."""
        return not self.exhausted and time.monotonic() >= self._not_before

    def accepted(self) -> None:
        """The batch system has taken a job."""
        self.refusal, self._refusals = "", 0

    def refused(self, why: str, *, last: bool) -> None:
        """It has not; a pilot that has jobs tries again, each minute at the end, and one without them does not."""
        self._journal.add("refused", reason=why)
        if last:
            self.give_up(why)
            return
        self.refusal = why
        self._not_before = time.monotonic() + min(2.0**self._refusals, MOST_S)
        self._refusals += 1
        self._changed()

    def came_up(self) -> None:
        """A node is there."""
        self._failures = 0

    def ended(self) -> None:
        """A node that had come up has ended: it is replaced at once."""
        self._failures, self._not_before = 0, 0.0

    def failed(self, why: str) -> None:
        """One has not come up."""
        self._failures += 1
        self._not_before = time.monotonic() + min(2.0 ** (self._failures - 1), MOST_S)
        if self._failures >= LIMIT:
            self.give_up(f"{self._failures} nodes failed in a row, the last one: {why}")

    def give_up(self, why: str) -> None:
        """Try no more."""
        self.exhausted = why
        self._journal.add("gave up", reason=why)
        self._changed()
