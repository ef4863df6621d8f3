"""What producer and consumer processes have in common: who they are, where the log is, when to report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.pilots.child import Channel

#: Seconds between reports of a process: the telemetry's 10 Hz.
INTERVAL = 0.1


def machine() -> str:
    """Which running machine this is: the boot's id, not the host name, for only one boot shares a local disk."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def hello(channel: Channel) -> Path | None:
    """Tell the driver which machine this is, and hear where the log is; None when the run is over before it began."""
    import tempfile

    channel.send({"hello": {"machine": machine(), "scratch": tempfile.gettempdir()}})
    order = channel.receive()
    return None if order is None else Path(order["log"])


def open_broker(parameters: Mapping[str, Any], path: Path) -> Any:
    """The run's broker, opened in this process."""
    from pilothouse.streams import catalogue

    cls = catalogue.load("broker", parameters["broker"])
    return cls(path, partitions=parameters["partitions"], limit=parameters["log_bytes"])


class Reports:
    """Says when a report is due: at once, then ten times a second, in time with the clock."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def due(self) -> bool:
        """Whether it is time; True once an interval."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = max(self._next + INTERVAL, now)
        return True
