"""What is known of a service, in a file of its run's folder: for its clients, and for the supervisor that goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pilothouse.state import write_atomic

FILE = "service.json"

MemberState = Literal["starting", "running", "leaving"]


@dataclass
class MemberFacts:
    """One member.

    Attributes
    ----------
    published
        What it has told of itself: ``address`` and the like.
    """

    number: int
    role: str
    node: str
    host: str
    state: MemberState = "starting"
    reason: str = ""
    published: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, Any]:
        """What other members hear of it."""
        return {
            "number": self.number, "role": self.role, "node": self.node, "host": self.host, "state": self.state,
            **self.published,
        }  # fmt: skip


@dataclass
class Book:
    """A service.

    Attributes
    ----------
    wanted
        How many members there shall be.
    following
        The number of the next new member.
    address
        Where clients find the service; empty while it does not answer.
    complete
        As many members serve as are wanted, and what was moved among them is in its place.
    was_complete
        It has been so before.
    trouble
        What came of the last change that could not be made; empty where there was none.
    """

    wanted: int
    following: int = 1
    address: str = ""
    complete: bool = False
    was_complete: bool = False
    trouble: str = ""
    members: list[MemberFacts] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write it to the service's folder."""
        write_atomic(folder / FILE, json.dumps(asdict(self)).encode())


def load(folder: Path) -> Book | None:
    """The book of the service whose folder this is; None where there is none yet."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    return Book(**{**found, "members": [MemberFacts(**member) for member in found["members"]]})
