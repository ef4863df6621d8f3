"""How long a pilot's nodes last, and what may still begin on one: what a walltime cuts off was in vain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.runs.cores import Capacity

#: What a walltime cut off begins again where it may run so many times as long.
GROWTH = 2.0
#: Of what a node has in all, the share, and at least the seconds, that may be over when it is as good as new.
NEW_SHARE, NEW_S = 0.02, 5.0
#: The most seconds from giving out work to its beginning.
BEGIN_S = 10.0
#: Walltimes of nearly this share of each other are the same.
SAME = 0.95
_EXTENSION = "pilothouse-terms"


@dataclass(frozen=True)
class Term:
    """How long a node lasts.

    Attributes
    ----------
    until
        When what works there is asked to end, at the latest (:func:`time.monotonic`).
    whole
        Seconds from the coming of its worker to then.
    walltime
        Of its job, seconds.
    renewed
        Its replacement has been asked for.
    """

    until: float
    whole: float
    walltime: float
    renewed: bool = False

    @property
    def left(self) -> float:
        """Seconds for which work may go on."""
        return self.until - time.monotonic()

    def was_new(self, left: float, slack: float = 0.0) -> bool:
        """Whether hardly anything of it was over when so many seconds were left."""
        return left >= self.whole - max(NEW_SHARE * self.whole, NEW_S) - slack


class Terms:
    """The terms of a pilot's nodes, as its supervisor tells them. A node without one has no end that is known.

    Attributes
    ----------
    given_back
        Names of nodes that go because the pilot gives them back: what they cut off is not to blame.
    """

    def __init__(self) -> None:
        self.given_back: set[str] = set()
        self._terms: Mapping[str, Term] = {}
        self._kinds: Sequence[tuple[Capacity, float]] = ()
        self._replaced, self._soonest = True, math.inf

    @classmethod
    def of(cls, scheduler: Any) -> Terms:
        """Those of the pilot with this Dask scheduler."""
        found: Terms = scheduler.extensions.setdefault(_EXTENSION, cls())
        return found

    def tell(self, terms: Mapping[str, Term], kinds: Sequence[tuple[Capacity, float]], *, replaced: bool) -> None:
        """Take in what is so at this moment.

        Parameters
        ----------
        terms
            Of the nodes whose end is known.
        kinds
            What nodes that come have, and their walltime in seconds; 0 where that is not known.
        replaced
            Whether others come for nodes whose walltime is over.
        """
        self._terms, self._kinds, self._replaced = terms, kinds, replaced
        self._soonest = min((term.until for term in terms.values() if term.renewed), default=math.inf)

    @property
    def least(self) -> float:
        """The least seconds for which a node lasts whose replacement has been asked for; infinite without one."""
        return self._soonest - time.monotonic()

    def of_node(self, node: str) -> Term | None:
        """That of a node; None where its end is not known."""
        return self._terms.get(node)

    def renewed(self, node: str) -> bool:
        """Whether the node's replacement has been asked for."""
        term = self._terms.get(node)
        return term is not None and term.renewed

    def longest(self, fits: Callable[[Capacity], bool] = lambda _: True) -> float:
        """The longest walltime of the kinds of nodes that will do, seconds; 0 where it is not known, or endless."""
        walltimes = [walltime for capacity, walltime in self._kinds if fits(capacity)]
        return max(walltimes) if walltimes and all(walltimes) else 0.0

    def needs(self, node: str, ran: float) -> float:
        """How many seconds a node has to have for what `node` has just cut off, after so many seconds."""
        term = self._terms.get(node)
        is_over = term is not None and term.left < BEGIN_S
        return ran * GROWTH if is_over and self._replaced else ran

    def may_begin(
        self, node: str, needs: float, expected: float = 0.0, longest: float = 0.0, slack: float = 0.0
    ) -> bool:
        """Whether work may begin on `node`.

        On a node that is being renewed, what is expected to take longer than that lasts begins no more. What was cut
        off begins where it has the time that it needs; else on a node that has just come and lasts as long as any.

        Parameters
        ----------
        needs
            From :meth:`needs`; 0 for what was never cut off.
        expected
            How many seconds it is likely to take; 0 when that is not known.
        longest
            Of the nodes that can hold it (:meth:`longest`).
        slack
            How many seconds went into making a node that had just come ready for it.
        """
        term = self._terms.get(node)
        if term is None or not (needs or (expected and term.renewed)):
            return True
        left = term.left
        if term.renewed and left < expected:
            return False
        return left >= needs or (term.walltime >= SAME * longest and term.was_new(left, slack))

    def was_too_short(self, node: str, ran: float, longest: float = 0.0, slack: float = 0.0) -> bool:
        """Whether what `node` has just cut off, after so many seconds, had all the time that any node gives.

        `longest` and `slack` are those of :meth:`may_begin`.
        """
        term = self._terms.get(node)
        if term is None or term.walltime < SAME * longest:
            return False
        left = term.left
        return term.was_new(left + ran, BEGIN_S + slack) and left < max(NEW_SHARE * term.whole, BEGIN_S)


def too_long(ran: float, node: str, term: Term) -> str:
    """Why something failed that :meth:`Terms.was_too_short` says of."""
    return (
        f"it had run for {ran:.0f} s when {node} had to go, whose walltime is {term.walltime:g} s; "
        "no node of the pilot lasts longer: give it a longer walltime"
    )
