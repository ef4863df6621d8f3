"""A pilot as a :class:`concurrent.futures.Executor`, with all that its users count on.

Dask's own (``client.get_executor()``) takes two equal calls for one, eats keywords that it knows, and says of what runs
that it was cancelled.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import itertools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pilothouse.errors import Conflict, InvalidInput, Lost, PilothouseError

if TYPE_CHECKING:
    from distributed import Client

#: Results that are there are fetched together, so many at most.
TOGETHER = 500


class Executor(concurrent.futures.Executor):
    """Calls functions on the nodes of a pilot: made by :meth:`pilothouse.Pilot.executor`.

    Calls that were running on a node which goes away run again elsewhere; what they returned is kept here.

    Parameters
    ----------
    pilot
        What has ``client()``, ``name``, ``state`` and ``reason``.
    retries
        How often a call that raises is tried again.
    """

    def __init__(self, pilot: Any, *, retries: int = 0) -> None:
        self._pilot, self._retries = pilot, retries
        self._topic = f"pilothouse-executor-{os.urandom(8).hex()}"
        self._numbers = itertools.count()
        self._calls: dict[int, tuple[Any, concurrent.futures.Future[Any]]] = {}
        self._ended: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._lock, self._running = threading.Lock(), threading.Lock()
        self._heard: Client | None = None
        self._thread: threading.Thread | None = None
        self._shut = False

    # ------------------------------------------------------------------ what users call

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Have ``fn(*args, **kwargs)`` called on a node.

        Raises
        ------
        RuntimeError
            The executor was shut down.
        Conflict
            The pilot has ended.
        """
        return self.start(fn, args, kwargs)

    def start(
        self, fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], *, priority: int = 0
    ) -> concurrent.futures.Future[Any]:
        """As :meth:`submit`; of calls that wait, those of a higher priority come first."""
        call = functools.partial(fn, **kwargs) if kwargs else fn
        return self._send(call, [tuple(args)], priority)[0]

    def map(
        self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Any]:
        """As :meth:`concurrent.futures.Executor.map`: the calls are sent together, `chunksize` of them as one."""
        if chunksize < 1:
            raise InvalidInput(f"chunksize={chunksize!r}: 1 or more", field="chunksize")
        deadline = None if timeout is None else time.monotonic() + timeout
        arguments = list(zip(*iterables, strict=False))  # as the built-in map: the shortest counts
        if chunksize == 1:
            futures = self._send(fn, arguments)
        else:
            chunks = [arguments[at : at + chunksize] for at in range(0, len(arguments), chunksize)]
            futures = self._send(functools.partial(_several, fn), [(chunk,) for chunk in chunks])
        found = _in_order(futures, deadline)
        return found if chunksize == 1 else itertools.chain.from_iterable(found)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; those that were taken run to their end.

        Parameters
        ----------
        wait
            Return when they have.
        cancel_futures
            What has not begun is not begun any more.
        """
        with self._lock:
            self._shut = True
            futures = [future for _, future in self._calls.values()]
            if self._thread is not None and not futures:
                self._ended.put(None)
        if cancel_futures:
            for future in futures:
                future.cancel()
        if wait:
            concurrent.futures.wait(futures)
            if self._thread is not None and self._thread is not threading.current_thread():
                self._thread.join()

    def __repr__(self) -> str:
        end = ", shut down" if self._shut else ""
        return f"<Executor on the pilot {self._pilot.name!r}, {len(self._calls)} calls{end}>"

    # ------------------------------------------------------------------ calls go out

    def _send(
        self, fn: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], priority: int = 0
    ) -> list[concurrent.futures.Future[Any]]:
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            client = self._client()
            numbers = [next(self._numbers) for _ in arguments]
            futures: list[concurrent.futures.Future[Any]] = [concurrent.futures.Future() for _ in arguments]
            name = getattr(getattr(fn, "func", fn), "__name__", type(fn).__name__)
            calls = client.map(
                functools.partial(_call, self._topic, fn), numbers, arguments,
                key=[f"{name}-{self._topic}-{number}" for number in numbers],  # two equal calls are two
                pure=False, retries=self._retries, priority=priority,
            )  # fmt: skip
            self._calls |= dict(zip(numbers, zip(calls, futures, strict=True), strict=True))
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver, name="pilothouse-executor", daemon=True)
                self._thread.start()
        for number, call, future in zip(numbers, calls, futures, strict=True):
            future.add_done_callback(functools.partial(self._cancelled, number))
            call.add_done_callback(functools.partial(self._has_ended, number))
        return futures

    def _client(self) -> Client:
        """The pilot's client now: another one after it was recovered."""
        try:
            client: Client = self._pilot.client()
        except PilothouseError as error:
            raise Conflict(
                f"{error}: its executor takes no calls any more; ph.submit() another pilot, and take its executor()",
                field="pilot",
            ) from error
        if client is not self._heard:
            client.subscribe_topic(self._topic, self._began)
            self._heard = client
        return client

    # ------------------------------------------------------------------ what becomes of them

    def _began(self, event: tuple[float, Any]) -> None:
        """A call has begun (again, when it is tried again): from now on it can't be cancelled."""
        if found := self._calls.get(event[1]):
            self._run(found[1])

    def _run(self, future: concurrent.futures.Future[Any]) -> None:
        with self._running:
            if not future.running() and not future.done():
                future.set_running_or_notify_cancel()

    def _has_ended(self, number: int, _: Any) -> None:
        self._ended.put(number)

    def _cancelled(self, number: int, future: concurrent.futures.Future[Any]) -> None:
        if future.cancelled() and (found := self._calls.get(number)):
            future.set_running_or_notify_cancel()  # who waits for it hears
            found[0].cancel()

    def _deliver(self) -> None:
        """Fetch what has ended, in its own thread: results come together."""
        while (number := self._ended.get()) is not None:
            numbers = [number]
            with contextlib.suppress(queue.Empty):
                while len(numbers) < TOGETHER and (more := self._ended.get_nowait()) is not None:
                    numbers.append(more)
            self._conclude([each for each in numbers if each in self._calls])
            with self._lock:
                if self._shut and not self._calls:
                    break
        if self._heard is not None and self._heard.status == "running":
            self._heard.unsubscribe_topic(self._topic)

    def _conclude(self, numbers: Sequence[int]) -> None:
        well = [number for number in numbers if self._calls[number][0].status == "finished"]
        values: dict[int, Any] = {}
        if well:
            calls = [self._calls[number][0] for number in well]
            with contextlib.suppress(Exception):  # one of them: each by itself says which
                values = dict(zip(well, calls[0].client.gather(calls), strict=True))
        for number in numbers:
            call, future = self._calls[number]
            self._run(future)
            if number in values:
                _set(future, values[number], None)
            else:
                _set(future, *self._outcome(call))
            with self._lock:
                del self._calls[number]

    def _outcome(self, call: Any) -> tuple[Any, BaseException | None]:
        """What one call returned, or raised."""
        try:
            if call.status == "error":
                return None, call.exception().with_traceback(call.traceback())
            if call.status == "finished":
                return call.result(), None
        except Exception as error:  # noqa: BLE001 - whatever keeps a result from coming here is the call's error
            return None, error
        return None, Lost(
            f"the connection to the pilot {self._pilot.name!r} ended before this call did, which is lost; "
            f"the pilot is {self._pilot.state}" + (f": {self._pilot.reason}" if self._pilot.reason else "")
        )


def _call(topic: str, fn: Callable[..., Any], number: int, arguments: tuple[Any, ...]) -> Any:
    """On a node."""
    from distributed import get_worker

    get_worker().log_event(topic, number)
    return fn(*arguments)


def _several(fn: Callable[..., Any], chunk: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [fn(*arguments) for arguments in chunk]


def _set(future: concurrent.futures.Future[Any], value: Any, error: BaseException | None) -> None:
    if not future.cancelled():
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _in_order(futures: list[concurrent.futures.Future[Any]], deadline: float | None) -> Iterator[Any]:
    """Their results; what is left when nobody wants more is cancelled."""
    futures.reverse()
    try:
        while futures:  # each is let go before the next one is waited for
            yield futures.pop().result(None if deadline is None else deadline - time.monotonic())
    finally:
        for future in futures:
            future.cancel()
