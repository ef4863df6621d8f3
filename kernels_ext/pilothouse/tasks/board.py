"""What is to be done, being done and done of a run's tasks: attempts, retries, losses, and the record of ends."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pilothouse.tasks.ends import Ends

#: How often a task is run again because its node went away under it, which nobody had planned.
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

    Attributes
    ----------
    ended
        Task -> its end.
    failures
        How many of these have failed.
    """

    def __init__(self, tasks: list[dict[str, Any]], retries: int, ends: Ends, log: Callable[[str], None]) -> None:
        self.tasks = tasks
        self.ended = ends.read()
        self.failures = len(self.failed)
        self.pending = deque(number for number in range(len(tasks)) if number not in self.ended)
        self.running: set[int] = set()
        self._retries = retries
        self._ends = ends
        self._log = log
        self._attempts: dict[int, int] = {}
        self._needs: dict[int, float] = {}
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

    @property
    def expected(self) -> float:
        """How many seconds a task takes, from those that have ended; 0 when none has."""
        return self._seconds or 0.0

    @property
    def least_needed(self) -> float:
        """The least seconds that a node has to have for one of the tasks that wait; 0 for what was never cut off."""
        if len(self._needs) < len(self.pending):
            return 0.0
        return min((self._needs.get(number, 0.0) for number in self.pending), default=0.0)

    def take(self, slots: int, may: Callable[[float], bool] = lambda _: True) -> list[dict[str, Any]]:
        """The next batch for one of `slots` allocations: as many tasks as take a moment, one when that is not known.

        Parameters
        ----------
        may
            Whether a task may begin there for which a node has to have so many seconds.
        """
        length = 1
        if self._seconds is not None:
            share = -(-len(self.pending) // max(1, slots))
            length = max(1, min(BATCH, share, int(BATCH_S / max(self._seconds, 1e-4))))
        batch: list[dict[str, Any]] = []
        while self.pending and len(batch) < length:
            number = next((each for each in self.pending if may(self._needs.get(each, 0.0))), None)
            if number is None:
                break
            alone = number in self._losses or number in self._needs  # it may be what ends nodes; it takes long
            if alone and batch:
                break
            self.pending.remove(number)
            self.running.add(number)
            attempt = self._attempts.get(number, 0) + 1
            batch.append({**self.tasks[number], "task": number, "attempt": attempt})
            if alone:
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

    def take_back(self, numbers: Iterable[int]) -> None:
        """These were given to a node that goes, and were not begun there."""
        for number in sorted(set(numbers) & self.running, reverse=True):
            self.running.discard(number)
            self.pending.appendleft(number)

    def cut_off(self, number: int, node: str, ran: float, needs: float, error: str = "") -> None:
        """A task had run for `ran` seconds when `node` was given back: it runs again elsewhere, and is not to blame.

        Parameters
        ----------
        needs
            The seconds that a node has to have for it from now on.
        error
            Why it has failed all the same.
        """
        if number not in self.running:
            return
        self._needs[number] = max(needs, self._needs.get(number, 0.0))
        if error:
            self.hear([{"task": number, "code": None, "error": error, "seconds": ran, "last": ""}], node)
            return
        self.running.discard(number)
        self.pending.appendleft(number)
        self._log(f"{self.name(number)}: it had run for {ran:.0f} s when {node} had to go; it is run again")

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
        self.failures += bool(error)
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
