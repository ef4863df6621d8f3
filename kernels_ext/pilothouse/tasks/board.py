"""What is to be done, being done and done of a run's tasks: attempts, retries, losses, and the record of ends."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pilothouse.tasks.ends import Ends

#: How often a task is run again because its node went away under it.
LOSSES = 3
#: Batches of short tasks are made to last so long, seconds.
BATCH_S = 0.25
#: The most tasks in a batch.
BATCH = 64


class Board:
    """The tasks of one run.

    Parameters
    ----------
    tasks
        Of the specification: ``argv``, ``env``, ``inputs``, ``outputs`` each.
    retries
        How often a task that fails is tried again.
    ends
        Where ends are kept; tasks that are there already are not run.
    log
        For what the user should hear.
    """

    def __init__(self, tasks: list[dict[str, Any]], retries: int, ends: Ends, log: Callable[[str], None]) -> None:
        self.tasks = tasks
        self.ended = ends.read()
        self.pending = deque(number for number in range(len(tasks)) if number not in self.ended)
        self.running: set[int] = set()
        self._retries = retries
        self._ends = ends
        self._log = log
        self._attempts: dict[int, int] = {}
        self._losses: dict[int, int] = {}
        self._seconds: float | None = None

    @property
    def total(self) -> int:
        """How many tasks there are."""
        return len(self.tasks)

    @property
    def failed(self) -> list[int]:
        """The numbers of the tasks that have failed."""
        return sorted(number for number, end in self.ended.items() if end["error"])

    @property
    def complete(self) -> bool:
        """Whether all have ended."""
        return len(self.ended) == self.total

    def take(self, slots: int) -> list[dict[str, Any]]:
        """The next batch for one of `slots` allocations: as many tasks as take a moment, one when that is not known."""
        length = 1
        if self._seconds is not None:
            share = -(-len(self.pending) // max(1, slots))
            length = max(1, min(BATCH, share, int(BATCH_S / max(self._seconds, 1e-4))))
        batch: list[dict[str, Any]] = []
        while self.pending and len(batch) < length:
            if self._losses.get(self.pending[0]) and batch:  # it may be what ends nodes: alone
                break
            number = self.pending.popleft()
            self.running.add(number)
            attempt = self._attempts.get(number, 0) + 1
            batch.append({**self.tasks[number], "task": number, "attempt": attempt})
            if self._losses.get(number):
                break
        return batch

    def hear(self, ends: Iterable[dict[str, Any]], node: str) -> None:
        """Tasks have ended on `node`."""
        lines = []
        for end in ends:
            number, error = end["task"], end["error"]
            if number not in self.running:
                continue
            self.running.discard(number)
            weight = 0.2 if self._seconds is not None else 1.0
            self._seconds = weight * end["seconds"] + (1 - weight) * (self._seconds or 0.0)
            attempts = self._attempts[number] = self._attempts.get(number, 0) + 1
            if error:
                of = f" (attempt {attempts} of {self._retries + 1})" if self._retries else ""
                self._log("\n".join(filter(None, [f"{self.name(number)}: {error}, on {node}{of}", end["last"]])))
                if attempts <= self._retries:
                    self.pending.appendleft(number)
                    continue
            lines.append(self._line(number, end["code"], error, node, end["seconds"], end["last"]))
        self._ends.add(lines)

    def lose(self, numbers: Iterable[int], node: str, why: str) -> None:
        """Nothing will be heard any more of tasks that were given to `node`: they run again elsewhere."""
        lines = []
        for number in sorted(set(numbers) & self.running, reverse=True):
            self.running.discard(number)
            losses = self._losses[number] = self._losses.get(number, 0) + 1
            if losses > LOSSES:
                error = f"{losses} nodes ended under it, the last one {node}: {why}"
                lines.append(self._line(number, None, error, node, 0.0, ""))
                self._log(f"{self.name(number)}: {error}")
            else:
                self._log(f"{self.name(number)}: {node} is gone ({why}); it is run again")
                self.pending.appendleft(number)
        self._ends.add(lines)

    def _line(self, number: int, code: int | None, error: str, node: str, seconds: float, last: str) -> dict[str, Any]:
        line = {
            "task": number, "code": code, "error": error, "node": node, "seconds": seconds,
            "attempts": self._attempts.get(number, 0), **({"last": last} if last else {}),
        }  # fmt: skip
        self.ended[number] = line
        return line

    def name(self, number: int) -> str:
        """The task for people."""
        command = shlex.join(self.tasks[number]["argv"])
        short = command if len(command) <= 100 else f"{command[:99]}…"
        return f"task {number} ({short})" if self.total > 1 else short

    def failure(self) -> str:
        """What went wrong, in a few lines; empty when nothing did."""
        failed = self.failed
        if not failed:
            return ""
        first = self.ended[failed[0]]
        text = f"{self.name(failed[0])}: {first['error']}, on {first['node']}"
        if self.total > 1:
            text = f"{len(failed)} of {self.total} tasks failed: {text}"
        return "\n".join(filter(None, [text, first.get("last", "")]))
