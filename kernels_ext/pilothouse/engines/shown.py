"""What cells and the panel show of a service: where it is, on which nodes, and its latest figures. No secrets."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from pilothouse.engines.book import Book, MemberFacts, MemberState, load
from pilothouse.errors import PilothouseError
from pilothouse.tables import text_table
from pilothouse.telemetry import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pilothouse.engines.service import Service


class ShownMember(BaseModel):
    """One member of a service."""

    number: int
    node: str
    host: str
    role: str
    state: MemberState
    reason: str
    address: str
    metrics: dict[str, float]

    @property
    def figures(self) -> str:
        """The metrics in few words: ``partitions 4, disk used 1.5 GiB, cores 1 of 2 used``."""
        return ", ".join(_words(self.metrics))


class ShownService(BaseModel):
    """A service as it is at this moment: `time`, in seconds since 1970."""

    time: float
    name: str
    engine: str
    pilot: str
    address: str
    dashboard: str = Field(description="Path of its own pages on the Jupyter server; empty while there are none")
    wanted: int
    complete: bool
    trouble: str
    members: list[ShownMember]

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The members, a line each: node, role, state, figures; the first line is the head."""
        rows = [
            (member.node, member.role, f"{member.state}: {member.reason}" if member.reason else member.state,
             member.figures)
            for member in self.members
        ]  # fmt: skip
        return [("node", "role", "state", "figures"), *rows]

    @property
    def text(self) -> str:
        """Address and members, for a terminal."""
        lines = [f"address: {self.address}"] if self.address else []
        lines += [f"pages: {self.dashboard}"] if self.dashboard else []
        return "\n".join([*lines, *([text_table(self.table)] if self.members else [])])


def shown(service: Service) -> ShownService:
    """What is known of a service: without figures where it does not answer, without members where it has ended."""
    record = service.record
    parameters: dict[str, Any] = record.parameters
    book = load(service.folder) or Book(wanted=int(parameters["nodes"]))
    metrics: dict[str, dict[str, float]] = {}
    if not record.state.ended:
        with contextlib.suppress(PilothouseError):  # its supervisor can't be asked just now
            metrics = service.metrics()
    members = [] if record.state.ended else [_shown(member, metrics.get(member.node, {})) for member in book.members]
    return ShownService(
        time=time.time(), name=record.name, engine=record.what, pilot=record.pilot, wanted=book.wanted,
        complete=book.complete, address="" if record.state.ended else book.address, dashboard=service.dashboard,
        trouble=book.trouble, members=members,
    )  # fmt: skip


def _shown(member: MemberFacts, metrics: dict[str, float]) -> ShownMember:
    numbers = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}  # JSON has no others
    return ShownMember(
        number=member.number, node=member.node, host=member.host, role=member.role, state=member.state,
        reason=member.reason, address=str(member.published.get("address", "")), metrics=numbers,
    )  # fmt: skip


_UNITS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def _words(metrics: Mapping[str, float]) -> Iterator[str]:
    """Figures in few words: what is used, with what there is of it."""
    for name, value in metrics.items():
        whole = name.removesuffix("_used")
        if whole != name and whole in metrics:
            yield f"{_plain(whole)} {_written(name, value)} of {_written(whole, metrics[whole])} used"
        elif f"{name}_used" not in metrics:
            yield f"{_plain(name)} {_written(name, value)}"


def _plain(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ")


def _written(name: str, value: float) -> str:
    if UNITS.get(name) == "bytes" or name.endswith("_bytes"):
        for size, unit in _UNITS:
            if value >= size:
                return f"{value / size:.3g} {unit}"
        return f"{value:g} B"
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.4g}"
