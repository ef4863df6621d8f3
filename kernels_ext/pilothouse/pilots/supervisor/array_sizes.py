"""How many nodes are submitted as one array: few after a refusal, twice as many each time while they are accepted."""

from __future__ import annotations

from pilothouse.pilots.queues.protocols import TOGETHER


class ArraySizes:
    """What a batch system takes at once, as its answers tell.

    It refuses an array as a whole, be it that a quota has no room for all of its members, that it is longer than arrays
    may be, or that there must not be any. The first passes; a refused length of which as many are accepted right
    afterwards in smaller pieces is the second or the third, and is not tried again.

    Attributes
    ----------
    most
        The most that is worth a try; 1 where arrays are not taken.
    next
        How many to submit next.
    """

    def __init__(self, most: int = TOGETHER) -> None:
        self.most = self.next = most
        self._refused = self._since = self._largest = 0

    def refused(self, number: int) -> None:
        """So many were refused."""
        self.next = 1
        self._refused, self._since, self._largest = (number if number > 1 else 0), 0, 0

    def accepted(self, number: int) -> None:
        """So many were accepted."""
        self._since += number
        self._largest = max(self._largest, number)
        if self._refused and self._since >= self._refused:
            self.most, self._refused = self._largest, 0
        self.next = min(max(self.next, 2 * number), self.most)
        if self._refused and self.next >= self._refused:
            self.next = self._largest
