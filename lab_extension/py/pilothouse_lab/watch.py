"""Tells the browser what any process did to pilots and runs: it watches the folders of records.

Records are replaced by renaming, which changes the folder's own time stamp. So a look that finds nothing new costs
two calls of ``stat``, and only records that have changed are read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pilothouse.registry.states import has_ended
from pilothouse_lab.answers import in_thread
from pilothouse_lab.records import UNREADABLE, as_json

if TYPE_CHECKING:
    from pilothouse.registry.store import Records

Kind = Literal["pilots", "runs"]
Emit = Callable[[Kind, dict[str, Any]], None]

#: Seconds between two looks.
PERIOD = 0.2

#: Every so many looks the folders are read even when their time stamps are the old ones, and owners are looked for.
THOROUGH = 25

#: What changes without anything having happened.
VOLATILE = ("heartbeat", "idle_end")


class Event(NamedTuple):
    """An event schema: its id and its file in ``events/``."""

    id: str
    file: str


EVENTS: dict[Kind, Event] = {
    "pilots": Event("https://events.pilothouse.dev/pilot/v1", "pilot.yaml"),
    "runs": Event("https://events.pilothouse.dev/run/v1", "run.yaml"),
}


@dataclass
class _Folder:
    """What is known about the records of one kind."""

    records: Records[Any]
    root: Path
    mark_lost: Callable[[Any], Any]
    stamp: int = 0
    files: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def changed(self) -> bool:
        """Whether the folder's time stamp is another one than at the last call."""
        stamp = self.root.stat().st_mtime_ns
        changed, self.stamp = stamp != self.stamp, stamp
        return changed

    def reconcile(self) -> None:
        """Have records marked ``lost`` whose supervisor has gone without saying so."""
        from pilothouse.errors import PilothouseError

        states = {name: record["state"] for name, record in self.seen.items()}
        for name in [name for name, state in states.items() if state != UNREADABLE and not has_ended(state)]:
            with contextlib.suppress(PilothouseError):
                self.mark_lost(self.records.read(name))

    def look(self) -> list[dict[str, Any]]:
        """What has happened to the records since the last call, as the events' data."""
        with os.scandir(self.root) as entries:
            files = {
                entry.name.removesuffix(".json"): (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(".") and (stat := _stat(entry))
            }
        news = []
        for name in [name for name, stamp in files.items() if self.files.get(name) != stamp]:
            record = self._read(name)
            before = self.seen.get(name)
            self.seen[name] = record
            if before is None or _lasting(before) != _lasting(record):
                news.append(_event("created" if before is None else "changed", record))
        for name in set(self.files) - set(files):
            news.append(_event("removed", self.seen.pop(name)))
        self.files = files
        return news

    def _read(self, name: str) -> dict[str, Any]:
        from pilothouse.errors import PilothouseError

        try:
            return as_json(self.records.read(name))
        except PilothouseError as error:
            return {"name": name, "state": UNREADABLE, "reason": str(error), "path": str(self.root / f"{name}.json")}


class RecordWatch:
    """Calls `emit` with what happens to the user's records.

    Parameters
    ----------
    emit
        Called in the event loop with "pilots" or "runs" and ``{action, name, state, reason, record}``.
    log
        For what goes wrong while looking.

    Attributes
    ----------
    watching
        Set once it is known what there was at the beginning: what comes after that is news.
    """

    def __init__(self, emit: Emit, log: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._emit = emit
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self.watching = asyncio.Event()

    def start(self) -> None:
        """Begin to watch, in the running event loop."""
        self._task = asyncio.create_task(self._watch(), name="pilothouse-watch")

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        folders = await in_thread(_folders)
        self.watching.set()
        looks = 0
        while True:
            await asyncio.sleep(PERIOD)
            looks += 1
            thorough = looks % THOROUGH == 0
            for kind, folder in folders.items():
                try:
                    if thorough:
                        await in_thread(folder.reconcile)
                    if folder.changed() or thorough:
                        for news in await in_thread(folder.look):
                            self._emit(kind, news)
                except OSError as error:  # a network file system may come back
                    self._log.warning("pilothouse: the records in %s can't be watched: %s", folder.root, error)


def _folders() -> dict[Kind, _Folder]:
    from pilothouse.registry.liveness import reconcile, reconcile_run
    from pilothouse.registry.records import PILOTS, RUNS

    folders: dict[Kind, _Folder] = {
        "pilots": _Folder(PILOTS, PILOTS.root, reconcile),
        "runs": _Folder(RUNS, RUNS.root, reconcile_run),
    }
    for folder in folders.values():
        folder.changed()
        folder.look()
    return folders


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except FileNotFoundError:  # it went between the listing and now
        return None


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in VOLATILE}


def _event(action: str, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": action,
        "name": record["name"],
        "state": record["state"],
        "reason": record["reason"],
        "record": record,
    }
