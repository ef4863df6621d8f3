"""Dask's functions that a node's walltime cuts short: they begin again where they have time, or fail.

Dask gives what a worker was at that leaves to the next one, however little time that has left, and again, without end.
"""

from __future__ import annotations

import pickle
import time
from typing import TYPE_CHECKING, Any

from dask.utils import key_split

from pilothouse.errors import Failed
from pilothouse.runs.terms import Terms, too_long

if TYPE_CHECKING:
    from collections.abc import Hashable

    from distributed.scheduler import TaskState, WorkerState


class Lasting:
    """A Dask scheduler that knows how long its workers last."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._needs: dict[Hashable, float] = {}
        self._hopeless: dict[Hashable, str] = {}
        self._asked_about: TaskState | None = None
        super().__init__(*arguments, **options)
        self._terms = Terms.of(self)

    @property
    def holds(self: Any) -> bool:
        """Whether something waits for a node that has the time for it."""
        return any(map(self._is_long, self.unrunnable)) or bool(self.queued)

    async def remove_worker(self: Any, address: str, *, stimulus_id: str, expected: bool = False, **how: Any) -> Any:
        """Remove a worker; what it was at when the pilot gave it back is kept in mind."""
        worker = self.workers.get(self.coerce_address(address))
        if worker is not None and expected and str(worker.name) in self._terms.given_back:
            self._note(worker)
        done = await super().remove_worker(address, stimulus_id=stimulus_id, expected=expected, **how)  # type: ignore[misc]
        while self._hopeless:
            key, why = self._hopeless.popitem()
            task = self.tasks.get(key)
            if task is not None and task.state == "no-worker":
                found = self.transition(key, "erred", stimulus_id, exception=pickle.dumps(Failed(why)), cause=key)
                self.transitions(found, stimulus_id)
        return done

    def _note(self: Any, worker: WorkerState) -> None:
        """What ran there was cut off: for how long it ran, and whether there is any hope for it."""
        self._needs = {key: needs for key, needs in self._needs.items() if key in self.tasks}
        node, since = str(worker.name), time.time() - worker.last_seen
        term = self._terms.of_node(node)
        for task, seconds in worker.executing.items():
            if task not in worker.processing or task.actor:
                continue
            ran = seconds + since
            self._needs[task.key] = max(self._terms.needs(node, ran), self._needs.get(task.key, 0.0))
            if term is not None and self._terms.was_too_short(node, ran, self._longest(task)):
                name = f"{key_split(task.key)}() (key {task.key!r})"
                self._hopeless[task.key] = f"{name}: {too_long(ran, node, term)}"

    def valid_workers(self: Any, ts: TaskState) -> set[WorkerState] | None:
        """The workers on which a task may run; None for all."""
        valid: set[WorkerState] | None = super().valid_workers(ts)  # type: ignore[misc]
        if not self._is_long(ts):
            return valid
        if ts.key in self._hopeless:
            return set()
        needs, expected, longest = self._needs.get(ts.key, 0.0), ts.prefix.duration_average, self._longest(ts)
        return {
            worker for worker in (self.running if valid is None else valid)
            if self._terms.may_begin(str(worker.name), needs, max(expected, 0.0), longest)
        }  # fmt: skip

    def is_rootish(self: Any, ts: TaskState) -> bool:
        """Whether it may wait for any worker, as Dask sees it; what was cut off waits for one that has the time."""
        self._asked_about = ts
        return ts.key not in self._needs and bool(super().is_rootish(ts))  # type: ignore[misc]

    def decide_worker_rootish_queuing_enabled(self: Any) -> WorkerState | None:
        """A worker for what may wait for any: the least busy one that has the time, or none yet."""
        task = self._asked_about
        if task is None or task.state != "waiting":  # then it is about the first of those that wait
            task = self.queued.peek() if self.queued else None
        if task is None or not self._is_long(task):
            found: WorkerState | None = super().decide_worker_rootish_queuing_enabled()  # type: ignore[misc]
            return found
        free = self.idle_task_count & (self.valid_workers(task) or set())
        return min(free, key=lambda worker: len(worker.processing) / worker.nthreads, default=None)

    def _is_long(self: Any, ts: TaskState) -> bool:
        """Whether it was cut off, or is likely to be on one of the nodes that are being renewed."""
        return ts.key in self._needs or ts.prefix.duration_average > self._terms.least

    def _longest(self: Any, ts: TaskState) -> float:
        needs = ts.resource_restrictions or {}
        return float(self._terms.longest(lambda node: node.gpus >= needs.get("GPU", 0)))
