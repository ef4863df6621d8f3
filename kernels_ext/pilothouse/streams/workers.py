"""What producer and consumer processes have in common: who they are, where the log is and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pilothouse.errors import NotFound
from pilothouse.runs.channel import Channel
from pilothouse.streams import salvage
from pilothouse.streams.protocols import Portable

#: Seconds between reports of a process: the telemetry's 10 Hz.
INTERVAL = 0.1


def machine() -> str:
    """Which running machine this is: the boot's id, not the host name, for only one boot shares a local disk."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def hello(channel: Channel) -> Any:
    """Tell the driver which machine this is, hear where the log is, and open it; None when there is none to work with.

    One process of a run makes the log or, when it hears of ``earlier`` places, brings it from there and says how far
    the run was. All others must find it: a log that was deleted is never mistaken for one that is empty.
    """
    import tempfile

    channel.send({"hello": {"machine": machine(), "scratch": tempfile.gettempdir()}})
    order = channel.receive()
    if order is None or order["op"] != "go":
        return None
    log, parameters = Path(order["log"]), channel.config["parameters"]
    found: dict[str, Any] | None = {}
    if order["earlier"] and (found := salvage.restore(channel, log, order["earlier"])) is None:
        channel.send({"lost": True})
        return None
    try:
        broker = open_broker(parameters, log, existing=not order["make"] or bool(order["earlier"]))
    except NotFound:
        channel.send({"lost": True})
        return None
    if order["make"]:
        channel.send({"placed": found})
    return broker


def open_broker(parameters: Mapping[str, Any], path: Path, *, existing: bool) -> Any:
    """The run's broker, opened in this process; it must be `existing`, or is made."""
    from pilothouse.streams import catalogue

    cls = catalogue.load("broker", parameters["broker"])
    more = {"existing": existing} if hasattr(cls, "restore") else {}
    broker = cls(path, partitions=parameters["partitions"], limit=parameters["log_bytes"], **more)
    if isinstance(broker, Portable):
        broker.hold()
    return broker


def work(task: Callable[[], bool]) -> bool:
    """Whether `task` says that it is done; not when nobody listens to it any more."""
    try:
        return task()
    except BrokenPipeError:  # the node has gone: what is committed can still be saved
        return False


def leave(channel: Channel, broker: Any, orders: Iterable[str], *, done: bool) -> None:
    """End with the log as it should be: removed, left where it is, or saved when nobody said so.

    Parameters
    ----------
    orders
        What the driver said before: ``"remove"``, ``"leave"``. A driver that ends says one of them; one that says
        neither is gone, or another goes on in its place.
    done
        The process has nothing to do any more, and others have the log.
    """
    said = set(orders)
    while (order := channel.receive(timeout=0)) is not None:
        said.add(order["op"])
    if "remove" in said:
        broker.remove()
    elif done or "leave" in said or not isinstance(broker, Portable):
        broker.close()
    else:
        channel.finish()
        salvage.save(broker, Path(channel.config["folder"]))


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
