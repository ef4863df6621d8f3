"""What a task waits for: runs of the user, and futures of the pilot's Dask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pilothouse.errors import Failed, NotFound
from pilothouse.registry.liveness import reconcile_run
from pilothouse.registry.owning import check_same
from pilothouse.registry.records import RUNS, RunRecord, State
from pilothouse.runs.news import News
from pilothouse.tasks.ends import Ends

#: The most seconds between two looks whether a run has ended, which may be another pilot's.
LOOK = 0.5
#: Seconds between two looks at futures: Dask tells nobody of them.
FUTURES = 0.05
#: Seconds that Dask may take to hear of a future.
UNDER_WAY_S = 10.0


async def known(keys: Sequence[str], dask_scheduler: Any = None) -> list[str]:
    """In the scheduler: those of `keys` that are known there, also when a client has just submitted them."""
    deadline = time.monotonic() + UNDER_WAY_S
    while not all(key in dask_scheduler.tasks for key in keys) and time.monotonic() < deadline:  # noqa: ASYNC110 - Dask has no event for it
        await asyncio.sleep(0.01)
    return [key for key in keys if key in dask_scheduler.tasks]


async def hold(keys: Sequence[str], holder: str, dask_scheduler: Any = None) -> list[str]:
    """In the scheduler: keep what `keys` stand for on behalf of `holder`; the keys that are not known there."""
    found = await known(keys, dask_scheduler)
    dask_scheduler.client_desires_keys(keys=found, client=holder)
    return [key for key in keys if key not in found]


def let_go(holder: str, dask_scheduler: Any = None) -> None:
    """In the scheduler: what `holder` kept may go."""
    if holder in dask_scheduler.clients:
        dask_scheduler.remove_client(holder)


async def wait(after: Sequence[dict[str, Any]], scheduler: Any) -> None:
    """Wait until all have ended well.

    Parameters
    ----------
    after
        ``{"run": name, "created": time}``, maybe with ``tasks`` (the numbers of those that matter), or
        ``{"key": Dask's key}`` each.

    Raises
    ------
    Failed
        One has not; the message says which, and why.
    """
    waiting: Sequence[dict[str, Any]] = after
    while waiting := [each for each in waiting if not _has_ended(each, scheduler)]:
        await News.of(scheduler).heard(FUTURES if any("key" in each for each in waiting) else LOOK)


def ended_well(after: dict[str, Any]) -> bool:
    """Whether a run (``run``, ``created``, maybe ``tasks``) has ended, and well.

    Raises
    ------
    Failed
        It has not ended well.
    """
    name = after["run"]
    try:
        record = reconcile_run(check_same(RUNS.read(name), datetime.fromisoformat(after["created"])))
    except NotFound:
        raise Failed(f"after {name!r}, which was removed: how it ended can't be told any more") from None
    if record.state.ended and (why := why_not(record, after.get("tasks", ()))):
        raise Failed(f"after {name!r}, which {why}")
    return record.state.ended


def why_not(record: RunRecord, tasks: Sequence[int] = ()) -> str:
    """Why nothing can follow a run that has ended; empty when it, or those of its `tasks` that matter, ended well."""
    if tasks:
        ends = Ends(RUNS.folder(record.name)).read()
        if failed := [number for number in tasks if ends.get(number, {}).get("error")]:
            return f"failed: {ends[failed[0]]['error']}"
        if all(number in ends for number in tasks):
            return ""
    if record.state is not State.FINISHED:
        said = {State.FAILED: "failed", State.LOST: "was lost"}[record.state]
        return f"{said}: {record.reason}"
    if record.kind in ("tasks", "mpi") and record.reason == "stopped":  # a stream that was stopped has its result
        return "was stopped"
    return ""


def _has_ended(after: dict[str, Any], scheduler: Any) -> bool:
    """Whether that has ended, and well; nothing is read of a run of the same pilot while it goes on."""
    if "key" in after:
        return _future_ended(after, scheduler)
    return after["run"] not in News.of(scheduler).live and ended_well(after)


def _future_ended(after: dict[str, Any], scheduler: Any) -> bool:
    task = scheduler.tasks.get(after["key"])
    if task is None:
        raise Failed(f"after the Dask future {after['key']!r}, which was cancelled or is not there any more")
    if task.state == "erred":
        blamed = task.exception_blame or task
        raise Failed(f"after the Dask future {after['key']!r}, which failed: {blamed.exception_text}")
    return bool(task.state == "memory")
