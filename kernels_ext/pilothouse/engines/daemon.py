"""A process of a framework on a node: started, watched, its last words kept, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pilothouse.engines.jvm import thrown
from pilothouse.registry.logs import last_error

#: Seconds between two looks whether a process that was told to end has.
LOOK_S = 0.01


class Daemon:
    """One process, with the processes that it starts; made by :meth:`pilothouse.engines.protocols.Place.daemon`.

    Attributes
    ----------
    name, log
        What it is called, and the file that holds what it prints.
    starts
        How often it was started.
    begun
        When it was started last (:func:`time.monotonic`).
    expected
        It is to end, or may: its end is no fault.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace: float = 5.0,
    ) -> None:
        self.name, self.log, self.grace = name, log, grace
        self._argv, self._env, self._cwd = list(argv), dict(env or {}), cwd
        self.starts, self.begun, self.expected = 0, 0.0, False
        self._process: subprocess.Popen[bytes] | None = None
        self._said = 0
        self.start()

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, in a session of its own. What it prints is added to its log."""
        with self.log.open("ab") as log:
            self._said = log.tell()
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._env},
                cwd=self._cwd, start_new_session=True,
            )  # fmt: skip
        self.expected, self.begun = False, time.monotonic()
        self.starts += 1

    @property
    def code(self) -> int | None:
        """Its exit code; None while it goes on. Negative: the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        return 0 if self._process is None else self._process.wait()

    def signal(self, number: int) -> None:
        """Send it a signal; one that has ended gets none."""
        if self._process is not None and self.code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.code is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def stop(self) -> None:
        """End it: kindly, and after its grace by force, with all that is in its session."""
        self.expected = True
        self.signal(signal.SIGTERM)
        self.wait(self.grace)
        self.kill()

    def kill(self) -> None:
        """End it at once, with all that is in its session."""
        self.expected = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def last_words(self) -> str:
        """How it ended and the one line that says why, for the reason of a failure; its log has the rest."""
        code = self.code
        how = "goes on" if code is None else f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        killed = code is not None and code < 0  # from without: what it had thrown is not why
        said = last_error(self.log) if killed else thrown.why(self.log, self._said)
        return f"{self.name} {how}" + (f": {said}" if said else "")
