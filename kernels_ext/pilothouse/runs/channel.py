"""The inside of a node process: ``python -m pilothouse.runs.channel MODULE`` runs ``MODULE.main(channel)``.

The first line on standard input is the configuration (JSON), each later line a message, end of input the
order to stop: whoever started the process is gone. Standard output carries messages only; prints go to
standard error, which is the run's log.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from distributed import Client

#: In the environment of a node and of what runs there: the name of its pilot.
PILOT_VARIABLE = "PILOTHOUSE_PILOT"
#: Seconds that a process has to end by itself once its starter is gone.
ORPHAN_GRACE = 5.0
#: Seconds that it has when it said that it has something to finish, and how it says so to its node.
FINISH_S = 300.0
FINISHING = {"op": "finishing"}
#: How it is called meanwhile.
SAVING = "pilothouse-save"
#: What a process says whose work is done, so that no other follows it (:func:`pilothouse.runs.keeping.keep`).
DONE = {"done": True}


class Channel:
    """The process's line to the driver of its run.

    Attributes
    ----------
    config
        What the driver passed to ``spawn``.
    stopping
        Set when the driver asked the process to stop, or is gone: finish what you are at and return from ``main``.
    leaving
        Set when the process's node is about to go, :attr:`seconds_left` later: begin nothing that takes longer, and
        return from ``main`` when what you are at is done. It is asked to stop in time.
    was_terminated
        Whether somebody sent SIGTERM. Batch systems send it to all processes of a job that is to end; the node hears
        it, too, and sees to it that what is here is handed over: a process of a run does not end by it.
    """

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._finishing = False
        self.stopping, self.leaving = threading.Event(), threading.Event()
        self.was_terminated = False
        self._leaves_at = math.inf
        self.config: dict[str, Any] = json.loads(source.readline())
        threading.Thread(target=self._read, args=(source,), name="pilothouse-channel", daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a JSON message to the driver. Safe from any thread."""
        line = json.dumps(message) + "\n"
        with self._lock:
            self._sink.write(line)
            self._sink.flush()

    def terminate(self, *_: object) -> None:
        """Handle SIGTERM: see :attr:`was_terminated`."""
        self.was_terminated = True

    def finish(self) -> None:
        """Say that this process now does, as its last thing, what must not be lost: it has :data:`FINISH_S` seconds."""
        self._finishing = True
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(SAVING)
        with contextlib.suppress(BrokenPipeError):  # its node has gone, too
            self.send(FINISHING)

    @property
    def seconds_left(self) -> float:
        """Seconds until its node goes, as far as that is known; infinite when it stays."""
        return max(self._leaves_at - time.monotonic(), 0.0)

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The driver's next message; None when `timeout` seconds passed without one, or the process should end."""
        if self.stopping.is_set() and self._inbox.empty():
            return None
        try:
            return self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None

    def _read(self, source: TextIO) -> None:
        for line in source:
            message = json.loads(line)
            if message == {"op": "stop"}:
                self._stop()
            elif message.get("op") == "leaving":
                self._leaves_at = time.monotonic() + message["seconds"]
                self.leaving.set()
            else:
                self._inbox.put(message)
        self._stop()
        time.sleep(ORPHAN_GRACE)
        if self._finishing:
            time.sleep(FINISH_S - ORPHAN_GRACE)
        os._exit(1)

    def _stop(self) -> None:
        self.stopping.set()
        self._inbox.put(None)


def dask_client(dask: Mapping[str, Any], **options: Any) -> Client:
    """A Dask client of the pilot, from the ``dask`` that the driver's context gave."""
    from distributed import Client
    from distributed.security import Security

    security = Security(
        tls_ca_file=dask["tls_ca"], tls_client_cert=dask["tls_cert"], tls_client_key=dask["tls_key"],
        require_encryption=True,
    )  # fmt: skip
    return Client(dask["address"], security=security, set_as_default=False, **options)


def main() -> int:
    """Run the module named on the command line."""
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    channel = Channel(sys.stdin, sink)
    signal.signal(signal.SIGTERM, channel.terminate)  # a handler, not SIG_IGN: what it starts would inherit that
    try:
        importlib.import_module(sys.argv[1]).main(channel)
    except Exception as error:  # noqa: BLE001 - the end of a process: the run hears of it
        traceback.print_exc()
        channel.send({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of libraries must not keep a finished process alive
