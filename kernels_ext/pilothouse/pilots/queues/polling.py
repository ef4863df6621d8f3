"""One question to the batch system for a user and a host, whatever the number of pilots that want to know.

Supervisors on one host share the latest answer through a file of the runtime folder; whoever needs a newer one
asks, the others wait for it, but not for one that stands still. While something changes, answers are a site's
``poll_least`` seconds old at most; while nothing does, the interval doubles up to ``poll_most``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pilothouse.pilots.queues.protocols import JobStatus, Queue
from pilothouse.pilots.queues.surroundings import cleaned
from pilothouse.pilots.queues.turns import Turn
from pilothouse.pilots.sites.site import DASK, MEANT_BY, Site
from pilothouse.registry.line.client import runtime_folder
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.state import write_atomic

#: How many times, and how many seconds apart, to ask after something that only the batch system can explain.
EAGER, EAGER_S = 4, 0.4
#: A job is forgotten that was so many times in a row, over so many seconds, neither in the listing nor in the history:
#: that one hears of ends a moment later.
FORGOTTEN, FORGOTTEN_S = 3, 5.0


class Asking(Protocol):
    """How a pilot learns what the batch system says."""

    async def statuses(self, ids: Sequence[str]) -> dict[str, JobStatus] | None:
        """What is known of these jobs and of all others that are ours; None when it is not time to ask yet."""

    def expect_change(self) -> None:
        """Something was submitted, cancelled, or connected: what was said before this moment is stale."""

    def look_now(self) -> None:
        """Something happened that only the batch system can explain: ask at the next opportunity."""

    async def gone(self, ids: Sequence[str], timeout: float) -> list[str]:  # noqa: ASYNC109 - a deadline, no error
        """Wait until these jobs have ended, `timeout` seconds at most; those that have not by then."""

    def close(self) -> None:
        """The pilot ends: leave no files."""


class Direct:
    """Ask each time: for a queue that answers at once."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def statuses(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Everything, now."""
        found = await self._queue.poll()
        unknown = [job for job in ids if job not in found]
        return {**found, **await self._queue.history(unknown)} if unknown else found

    def expect_change(self) -> None:
        """It shows in the next answer anyway."""

    def look_now(self) -> None:
        """The next answer is not far."""

    async def gone(self, ids: Sequence[str], timeout: float) -> list[str]:  # noqa: ASYNC109 - the protocol's
        """Such a queue has let them go when ``cancel`` returns."""
        return []

    def close(self) -> None:
        """Nothing to take away."""


class Polling:
    """One question for all pilots of a user and host (an :class:`Asking`).

    Attributes
    ----------
    asked
        How many commands this process has had to run.
    """

    def __init__(self, queue: Queue, site: Site) -> None:
        self._queue = queue
        self._least, self._most = site.poll_least, site.poll_most
        self._interval = site.poll_least
        self._due = 0.0
        self._newer = 0.0
        self._last: dict[str, JobStatus] = {}
        self._missing: dict[str, tuple[int, float]] = {}
        self._eager = 0
        mine = sorted(f"{name}={value}" for name, value in cleaned(site.system).items() if name.startswith(MEANT_BY))
        own = site.source if site.system == DASK else site.conf_dir  # each attached pilot has a cluster of its own
        digest = hashlib.sha256("\n".join([site.system, site.name, own, *mine]).encode()).hexdigest()[:12]
        self._name = f"poll-{digest}.json"
        self.asked = 0

    @property
    def _file(self) -> Path:
        """The shared answer. Its folder goes when the user logs out, and is made again."""
        return runtime_folder() / self._name

    def expect_change(self) -> None:
        """Ask soon, and for something newer than this moment."""
        self._newer = time.time()
        self._interval = self._least
        self._due = min(self._due, time.monotonic() + (self._least if self._last else 0.0))

    def look_now(self) -> None:
        """Ask at the next opportunity, and a few times after that: batch systems need a moment to notice, too."""
        self._newer = time.time()
        self._due = 0.0
        self._eager = EAGER

    async def statuses(self, ids: Sequence[str]) -> dict[str, JobStatus] | None:
        """What is known of these jobs, or None when it is not time to ask yet.

        A job that was in neither listing nor history :data:`FORGOTTEN` times has failed: its end was not seen.

        Raises
        ------
        Unavailable
            The batch system does not answer; the next try is put off.
        """
        now = time.monotonic()
        if now < self._due:
            return None
        self._due = now + self._interval
        try:
            listed = await self._ask()
        except Exception:
            self._interval = min(self._interval * 2, self._most)
            raise
        mine = tag()
        found = {job: status for job, status in listed.items() if job in ids or status.tag.startswith(mine)}
        found |= await self._departed([job for job in ids if job not in listed])
        if found == self._last:
            self._interval = min(self._interval * 1.5, self._most)
        else:
            self._interval = self._least
        self._last = dict(found)
        self._due = now + self._interval
        if self._eager:
            self._eager -= 1
            self._due, self._newer = now + EAGER_S, time.time()
        return found

    async def gone(self, ids: Sequence[str], timeout: float) -> list[str]:  # noqa: ASYNC109 - a deadline, no error
        """Ask until they have ended, often at first; at last what the history says of those that are still listed."""
        begun, pause, left = time.monotonic(), 0.1, list(ids)
        while left and (passed := time.monotonic() - begun) < timeout:
            self._newer = time.time()
            listed = await self._ask()
            left = [job for job in ids if job in listed and not listed[job].state.ended]
            if left:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, max(1.0, passed / 10))
        said = await self._queue.history(left) if left else {}
        return [job for job in left if job not in said or not said[job].state.ended]

    def close(self) -> None:
        """Take the shared answer away; other pilots of this host make it anew."""
        file = self._file
        for path in (file, file.with_suffix(".lock")):
            path.unlink(missing_ok=True)

    async def _departed(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        found = await self._queue.history(ids) if ids else {}  # no answer counts for nothing
        now, before = time.monotonic(), self._missing
        self._missing = {job: (times + 1, since) for job in ids for times, since in [before.get(job, (0, now))]}
        for job, (times, since) in self._missing.items():
            if times >= FORGOTTEN and now - since >= FORGOTTEN_S and job not in found:
                found[job] = JobStatus(State.FAILED, "the batch system does not know the job any more")
        return found

    async def _ask(self) -> dict[str, JobStatus]:
        file = self._file
        async with Turn(file.with_suffix(".lock")):
            oldest = max(self._newer, time.time() - self._interval)
            said = _read(file)
            if said is not None and oldest <= said[0] <= time.time():  # later ones are of a clock that was put back
                return said[1]
            begun = time.time()
            self.asked += 1
            listed = await self._queue.poll()
            _write(file, begun, listed)
            return listed


def _write(path: Path, time_s: float, statuses: dict[str, JobStatus]) -> None:
    plain = {job: {**asdict(status), "state": status.state.value} for job, status in statuses.items()}
    with contextlib.suppress(OSError):  # a full disk must not stop the pilot: others ask for themselves
        write_atomic(path, json.dumps({"time": time_s, "jobs": plain}, default=_iso).encode())


def _read(path: Path) -> tuple[float, dict[str, JobStatus]] | None:
    try:
        data = json.loads(path.read_bytes())
        return float(data["time"]), {job: JobStatus(**dict(_plain(status))) for job, status in data["jobs"].items()}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _plain(status: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in status.items():
        if name == "state":
            yield name, State(value)
        elif name in ("expected_start", "ends", "submitted") and value is not None:
            yield name, datetime.fromisoformat(value)
        else:
            yield name, value


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in a poll")
