"""Waiting for a pilot: until as many nodes run as are wanted or none will come any more, or until it has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from pilothouse.errors import Conflict, Failed, InvalidInput, Lost, PilothouseError, Unavailable, WaitTimeout
from pilothouse.registry.line import client as control
from pilothouse.registry.liveness import seen
from pilothouse.registry.records import PILOTS, PilotRecord, State
from pilothouse.waiting import wait_until

#: Seconds for which a supervisor is asked to say that its pilot has changed, and between two looks where none answers.
CHANGE_S, LOOK_S = 20.0, 0.05
#: Seconds for the end of a pilot whose supervisor did not hear that it was to end: it may be ending by itself.
UNHEARD_S = 5.0


def wait_for_nodes(name: str, read: Callable[[], PilotRecord], nodes: int | None, timeout: float | None) -> None:
    """Wait until `nodes` nodes are running: see :meth:`pilothouse.Pilot.wait`.

    Parameters
    ----------
    name
        Of the pilot.
    read
        Gives its record as it is written.
    """
    if nodes is not None and nodes < 0:
        raise InvalidInput(f"nodes={nodes}: wait for 0 nodes or more", field="nodes")

    def count(record: PilotRecord) -> tuple[int, int]:
        wanted = record.nodes_wanted if nodes is None else nodes
        return sum(node.state is State.RUNNING for node in record.nodes), wanted

    def done() -> bool:
        record = seen(read())
        if record.state.ended:
            error = Lost if record.state is State.LOST else Failed
            raise error(f"the pilot {name!r} is {record.state}{f': {record.reason}' if record.reason else ''}")
        have, wanted = count(record)
        if record.gave_up and have < wanted and any(not node.state.ended for node in record.nodes):
            raise Failed(f"the pilot {name!r} has {have} of {wanted} nodes and has stopped trying: {record.gave_up}")
        return record.answers and bool(record.scheduler) and have >= wanted

    def what() -> tuple[str, float | None]:
        record = read()
        have, wanted = count(record)
        text = f"{name}: {record.state}, {have} of {wanted} nodes running"
        return text, have / wanted if wanted else None

    wait_until(
        done,
        what=what,
        goes_on=f"The pilot {name!r} goes on; ph.attach({name!r}).cancel() ends it.",
        timeout=timeout,
        interval=CHANGE_S,
        pause=lambda seconds: _until_changed(name, seconds),
    )


def wait_for_end(name: str, tell: Callable[[], object], ended: Callable[[], bool], timeout: float) -> None:
    """Tell a pilot to end, and wait until it has: see :meth:`pilothouse.Pilot.cancel`."""
    unheard: Unavailable | None = None
    try:
        with contextlib.suppress(Conflict):  # it is ending
            tell()
    except Unavailable as error:  # it may have ended at this very moment
        unheard = error
    try:
        wait_until(
            ended,
            what=lambda: (f"{name}: ending", None),
            goes_on=f"The pilot {name!r} is ending.",
            timeout=min(timeout, UNHEARD_S) if unheard else timeout,
        )
    except WaitTimeout:
        if unheard is None:
            raise
        raise Unavailable(f"the pilot {name!r} has not ended: {unheard}") from None


def _until_changed(name: str, seconds: float) -> None:
    """Return when the record is a new one, or after `seconds`: its supervisor says when, else one has to look."""
    record = PILOTS.read(name)
    try:
        since = record.heartbeat.isoformat() if record.heartbeat else ""
        control.call(record, "changed", since=since, wait=seconds)
    except PilothouseError:  # not there yet, or not any more
        time.sleep(min(seconds, LOOK_S))
