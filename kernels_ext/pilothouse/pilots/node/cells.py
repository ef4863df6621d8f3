"""A cell of the user's on a node: what it prints comes while it prints it, its value and its error are its own.

What a cell prints travels over Dask's connections: from the node to the scheduler, which passes it on to the client.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import logging
import queue
import sys
import threading
import traceback
import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from pilothouse.errors import Failed

if TYPE_CHECKING:
    from distributed import Client

#: Seconds between two messages with what a cell has printed.
FLUSH_S = 0.1
#: Seconds that what was printed last may take longer than the result.
LATE_S = 5.0

#: What a client listens to.
_TOPIC = "pilothouse-cells"


class Outcome(NamedTuple):
    """How a cell ended.

    Attributes
    ----------
    messages
        How many there were with what it printed.
    value
        Of its last expression; its text, where it does not pickle.
    error
        The exception, pickled; None where there was none, or where it does not pickle.
    shown
        The traceback as it should be shown: the cell's frames and those below. Empty where there was no error.
    """

    messages: int
    value: Any
    error: bytes | None
    shown: list[str]


# ---------------------------------------------------------------------- on the node


class _Printed:
    """What one cell prints, on its way to the client `listener`."""

    def __init__(self, worker: Any, listener: str, cell: str) -> None:
        self.messages = 0
        self._worker, self._to = worker, {"listener": listener, "cell": cell}
        self._parts: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sending = threading.Thread(target=self._send_regularly, name="pilothouse-cell", daemon=True)
        self._sending.start()

    def add(self, stream: str, text: str) -> None:
        with self._lock:
            self._parts.append((stream, text))

    def close(self) -> None:
        self._over.set()
        self._sending.join()

    def _send_regularly(self) -> None:
        over = False
        while not over:
            over = self._over.wait(FLUSH_S)
            with self._lock:
                parts, self._parts = self._parts, []
            if parts:
                self.messages += 1
                message = {"op": "pilothouse_printed", **self._to, "parts": parts}
                self._worker.loop.add_callback(self._worker.batched_send, message)


_printed: ContextVar[_Printed | None] = ContextVar("pilothouse_printed", default=None)


class _Stream:
    """``sys.stdout`` or ``sys.stderr`` of a node: what a cell writes is for its user, all else for the node's log.

    Cells run beside each other and beside other tasks; each has a context of its own, which threads that a cell
    starts do not have.
    """

    def __init__(self, name: str, log: TextIO) -> None:
        self._name, self._log = name, log

    def write(self, text: str) -> int:
        printed = _printed.get()
        if printed is None:
            return self._log.write(text)
        printed.add(self._name, text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def _take_streams() -> None:
    """Once in a process; logging writes to the stream that it was given."""
    for name in ("stdout", "stderr"):
        log = getattr(sys, name)
        if not isinstance(log, _Stream):
            setattr(sys, name, _Stream(name, log))
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is log:
                    handler.setStream(getattr(sys, name))


def execute(source: str, filename: str, listener: str, cell: str) -> Outcome:
    """Run `source` in a namespace of its own, in the thread of a Dask task.

    Parameters
    ----------
    filename
        How tracebacks and warnings call the cell.
    listener
        Id of the client that shows what it prints.
    cell
        Id of this cell.
    """
    from distributed import get_worker

    _take_streams()
    printed = _Printed(get_worker(), listener, cell)
    token = _printed.set(printed)
    lines = len(source), None, source.splitlines(keepends=True), filename
    while linecache.cache.setdefault(filename, lines) is not lines:  # another cell of that name runs here now
        filename += " "
    value, error, shown = None, None, []
    try:
        value = _plain(_run(source, filename))
    except BaseException as raised:  # noqa: BLE001 - the user's, whatever it is: it is shown where they are
        shown = _shown(raised, filename)
        error = _pickled(raised)
    finally:
        linecache.cache.pop(filename, None)
        _printed.reset(token)
        printed.close()
    return Outcome(printed.messages, value, error, shown)


def _run(source: str, filename: str) -> Any:
    body = ast.parse(source, filename)
    last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(body, filename, "exec"), namespace)  # noqa: S102 - the user's own cell
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), filename, "eval"), namespace)  # noqa: S307
    return None


def _plain(value: Any) -> Any:
    """`value`, or its text where it does not pickle."""
    import pickle

    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 - the user's own classes may raise anything when they are pickled
        return repr(value)
    return value


def _shown(error: BaseException, filename: str) -> list[str]:
    """The traceback, from the first frame of the cell on."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename != filename:
        found = found.tb_next
    return "".join(traceback.format_exception(type(error), error, found)).splitlines()


def _pickled(error: BaseException) -> bytes | None:
    """What :func:`_made` makes the error of again."""
    from distributed.protocol import pickle  # by value, where the cell defined its class

    error = error.with_traceback(None)
    for function, arguments in ((_same, (error,)), (type(error), error.args)):  # some lose what they say: SyntaxError
        with contextlib.suppress(Exception):
            data: bytes = pickle.dumps((function, arguments))
            if str(_made(data)) == str(error):
                return data
    return None


def _same(error: BaseException) -> BaseException:
    return error


def _made(data: bytes) -> BaseException:
    from distributed.protocol import pickle

    function, arguments = pickle.loads(data)
    made: BaseException = function(*arguments)
    return made


# ---------------------------------------------------------------------- in the scheduler


def pass_on(scheduler: Any) -> None:
    """Have the scheduler pass on what cells print. It keeps nothing of it, as it would of Dask's own events."""

    def printed(listener: str, cell: str, parts: list[tuple[str, str]], worker: str) -> None:  # noqa: ARG001 - Dask names the worker to each such handler
        scheduler.client_send(listener, {"op": "event", "topic": _TOPIC, "event": (cell, parts)})

    scheduler.stream_handlers["pilothouse_printed"] = printed


# ---------------------------------------------------------------------- where the user is


#: Cell -> what has been heard of it; None when it has ended.
_heard: dict[str, queue.SimpleQueue[list[tuple[str, str]] | None]] = {}


def _hear(event: tuple[str, list[tuple[str, str]]]) -> None:
    cell, parts = event
    if cell in _heard:
        _heard[cell].put(parts)


def run_cell(client: Client, source: str, filename: str, goes_on: str) -> Any:
    """Run `source` on some node; shows what it prints, and returns the value of its last expression.

    Parameters
    ----------
    filename
        How tracebacks call the cell.
    goes_on
        What to say to who interrupts the wait.

    Raises
    ------
    BaseException
        What the cell raised; notebooks show it with the cell's own traceback.
    Failed
        The cell ended its node.
    """
    cell = f"cell-{uuid.uuid4().hex}"
    said = _heard[cell] = queue.SimpleQueue()
    client.subscribe_topic(_TOPIC, _hear)
    future = client.submit(execute, source, filename, client.id, cell, key=cell, pure=False)
    future.add_done_callback(lambda _: said.put(None))
    messages = 0
    try:
        for parts in iter(said.get, None):
            messages += _write(parts)
        outcome: Outcome = future.result()
        with contextlib.suppress(queue.Empty):
            while messages < outcome.messages:
                messages += _write(said.get(timeout=LATE_S) or [])
    except KeyboardInterrupt:
        future.cancel()
        sys.stderr.write(f"Interrupted. {goes_on}\n")
        raise
    finally:
        del _heard[cell]
    if outcome.shown:
        raise _error(outcome)
    return outcome.value


def _write(parts: list[tuple[str, str]]) -> int:
    for stream, text in parts:
        (sys.stderr if stream == "stderr" else sys.stdout).write(text)
    sys.stdout.flush()
    return 1


def _error(outcome: Outcome) -> BaseException:
    """The cell's exception, with its traceback for those who show it: IPython asks for ``_render_traceback_``."""
    error: BaseException | None = None
    if outcome.error is not None:
        with contextlib.suppress(Exception):  # its class may be on the node only
            error = _made(outcome.error)
    if error is None:
        error = Failed(outcome.shown[-1])
    vars(error)["_render_traceback_"] = lambda: outcome.shown
    error.add_note("\n".join(["On the node:", *outcome.shown]))
    return error
