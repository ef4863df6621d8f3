"""Records that a batch system prints, of which one may be such as nobody expected."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from pilothouse.errors import Unavailable
from pilothouse.registry.naming import tag

logger = logging.getLogger(__name__)

R = TypeVar("R")
T = TypeVar("T")


def readable(
    records: Iterable[R], read: Callable[[R], T], command: str, what: str, shown: Callable[[R], str] = str
) -> list[T]:
    """What `read` makes of the records. One that it stumbles over costs itself only, and is logged.

    Parameters
    ----------
    shown
        The text of a record.

    Raises
    ------
    Unavailable
        It stumbles over a record of one of our jobs, of which nothing is known then, or over all that there are.
    """
    found: list[T] = []
    strange: list[str] = []
    for record in records:
        try:
            found.append(read(record))
        except (Unavailable, ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
            strange.append(shown(record).strip())
    for text in strange:
        if not found or tag() in text:
            raise Unavailable(f"{command} printed something else than {what}: {text[:200]!r}")
        _tell(command, what, text[:200])
    return found


@functools.lru_cache(maxsize=256)  # once, not at each poll
def _tell(command: str, what: str, text: str) -> None:
    logger.warning("%s printed something else than %s, which is left out: %r", command, what, text)
