"""The inside of a node process: ``python -m pilothouse.runs.channel MODULE`` runs ``MODULE.main(channel)``.

The first line on standard input is the configuration (JSON), each later line a message, end of input the
order to stop: whoever started the process is gone. Standard output carries messages only; prints go to
standard error, which is the run's log.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
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


class Channel:
    """The process's line to the driver of its run.

    Attributes
    ----------
    config
        What the driver passed to ``spawn``.
    stopping
        Set when the driver asked the process to stop, or is gone: finish what you are at and return from ``main``.
    """

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._finishing = False
        self.stopping = threading.Event()
        self.config: dict[str, Any] = json.loads(source.readline())
        threading.Thread(target=self._read, args=(source,), name="pilothouse-channel", daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a JSON message to the driver. Safe from any thread."""
        line = json.dumps(message) + "\n"
        with self._lock:
            self._sink.write(line)
            self._sink.flush()

    def finish(self) -> None:
        """Say that this process now does, as its last thing, what must not be lost: it has :data:`FINISH_S` seconds."""
        self._finishing = True
        with contextlib.suppress(BrokenPipeError):  # its node has gone, too
            self.send(FINISHING)

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The driver's next message; None when `timeout` seconds passed without one or the process should stop."""
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
