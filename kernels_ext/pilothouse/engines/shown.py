"""What cells and the panel show of a service: where it is, on which nodes, and its latest figures. No secrets."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from pilothouse.engines.book import Book, MemberFacts, load
from pilothouse.errors import PilothouseError
from pilothouse.tables import text_table

if TYPE_CHECKING:
    from pilothouse.engines.service import Service


class ShownMember(BaseModel):
    """One member of a service."""

    number: int
    node: str
    host: str
    role: str
    state: str
    reason: str
    address: str
    metrics: dict[str, float]
    figures: str


class ShownService(BaseModel):
    """A service as it is at this moment."""

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
        name=record.name, engine=record.what, pilot=record.pilot, wanted=book.wanted, complete=book.complete,
        address="" if record.state.ended else book.address, dashboard=service.dashboard, trouble=book.trouble,
        members=members,
    )  # fmt: skip


def _shown(member: MemberFacts, metrics: dict[str, float]) -> ShownMember:
    numbers = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}  # JSON has no others
    return ShownMember(
        number=member.number, node=member.node, host=member.host, role=member.role, state=member.state,
        reason=member.reason, address=str(member.published.get("address", "")), metrics=numbers,
        figures=_words(numbers),
    )  # fmt: skip


#: Endings of names of figures that are bytes, and how bytes are written.
_BYTES = ("bytes_in", "bytes_out", "memory", "memory_used", "disk_used")
_UNITS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def _words(metrics: dict[str, float]) -> str:
    """Figures in few words: ``partitions 4, disk used 1.5 GiB``."""
    return ", ".join(f"{name.replace('_', ' ')} {_written(name, value)}" for name, value in metrics.items())


def _written(name: str, value: float) -> str:
    if name.endswith(_BYTES):
        for size, unit in _UNITS:
            if value >= size:
                return f"{value / size:.3g} {unit}"
        return f"{value:g} B"
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.4g}"
