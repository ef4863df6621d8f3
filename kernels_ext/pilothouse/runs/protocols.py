"""What the rooms agree on: how a run is driven, and how it has work done on the pilot's nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pilothouse.telemetry import Telemetry


class NodeProcess(Protocol):
    """A process on one of the pilot's nodes, started by :meth:`RunContext.spawn`.

    It is a Python module with a function ``main(channel: pilothouse.runs.channel.Channel)``. It ends with its
    node, and with its run; :class:`pilothouse.runs.keeping.Kept` puts another one in its place.
    """

    label: str
    node: str
    pid: int

    @property
    def ended(self) -> bool:
        """Whether it has ended: its node saw its end, or the batch system that of the node's job."""

    async def send(self, message: Mapping[str, Any]) -> None:
        """Give the process a JSON message; it gets it from ``channel.receive()``."""

    def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the process sends with ``channel.send(...)``, in order; ends when the process has ended."""

    async def wait(self) -> int:
        """Wait for the process to end; its exit code. Negative: the signal that ended it; -9 when its node was lost.

        A node that is not heard of any more may still work: this waits until it is known to be gone.
        """

    async def stop(self, grace: float = 1.5) -> int | None:
        """Ask the process to end (``channel.stopping`` is set), kill it after `grace` seconds; its exit code.

        None some seconds after that where its end is not known, for its node is not heard of: it may go on there, and
        nothing may take its place. :meth:`wait` returns when it is over.
        """


#: Called with the name of a node that is about to go and the seconds that are left.
Leaving = Callable[[str, float], Awaitable[None]]
#: Called with what a user asks of a live run, and the arguments; its answer is JSON.
Ordered = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


class RunContext(Protocol):
    """What a driver gets from the supervisor.

    Attributes
    ----------
    folder
        The run's own folder on the shared file system: files given at launch lie here, results go here.
    telemetry
        Append samples here, at most 10 a second.
    stopping
        Set when the user asked the run to stop: :meth:`Driver.run` should return within 2 s, with its result written.
    handing_over
        True when the run is cancelled because another supervisor goes on with it: leave what that needs.
    """

    name: str
    parameters: dict[str, Any]
    folder: Path
    telemetry: Telemetry
    stopping: asyncio.Event
    handing_over: bool

    @property
    def nodes(self) -> Sequence[str]:
        """Names of the nodes that are running now, and are not about to go."""

    @property
    def without_nodes(self) -> str:
        """What a run waits for while there are none."""

    async def settled(self) -> None:
        """Return when each node on which an earlier supervisor may have had the run is heard of, or has ended.

        A node that is heard of has ended what it was at.
        """

    @property
    def scheduler(self) -> Any:
        """The pilot's Dask scheduler itself: what the nodes have, what futures have become."""

    @property
    def dask(self) -> dict[str, Any]:
        """What a node process needs to reach the pilot's Dask scheduler: pass it on in `config`, then call
        ``pilothouse.runs.channel.dask_client(config["dask"])`` there.
        """

    async def spawn(
        self, module: str, config: Mapping[str, Any], *, label: str, node: str | None = None
    ) -> NodeProcess:
        """Start ``module.main(channel)`` in a process of its own on `node` (default: the least busy one).

        `config` (JSON) reaches it over a pipe as ``channel.config``, so it may hold secrets. What the
        process prints goes to the run's log.

        Raises
        ------
        Unavailable
            The node is not there, or about to go; without `node`: there is none.
        """

    def on_leaving(self, hand_over: Leaving) -> None:
        """Have `hand_over` awaited before a node goes in a planned way, whatever that is: shrink, renew, walltime, ...

        When it returns, nothing that the run needs is on that node any more. The node also waits for the run's
        processes on it to end, though for no longer than it can.
        """

    def on_order(self, ordered: Ordered) -> None:
        """Have `ordered` answer what users ask of the live run, by the operation ``order`` of its pilot."""

    def serves(self, ready: bool, why: str) -> None:
        """Say whether the run is ready (``running``) or not (``starting``), and why not all is as it should be.

        For drivers with `tells_ready`; who asks hears of it at once.
        """

    def log(self, text: str) -> None:
        """Add a line to the run's log."""

    def event(self, what: str, **details: Any) -> None:
        """Add to the run's history (``run.events()``)."""

    def waits(self, why: str) -> None:
        """Say what the run waits for, which is then its reason (``run.reason``); empty: it goes on."""

    def progress(self, done: float, total: float, unit: str = "") -> None:
        """Say how far the run is; shown wherever the run is shown."""

    def no_progress(self) -> None:
        """Nothing is on its way any more: there is no progress to be shown."""


@runtime_checkable
class Driver(Protocol):
    """One kind of run. Registered as an entry point of the group ``pilothouse.runs``; the name is the kind.

    A driver lives in the supervisor's event loop and must stay light: no heavy import, no computation; work
    is done by node processes. An instance drives one run. One whose class says ``resumable = True`` is run again,
    in the same folder, by the supervisor that takes over from one that died or handed over. One that says
    ``tells_ready = True`` says itself when its run is ``running`` (:meth:`RunContext.serves`).
    """

    async def run(self, context: RunContext) -> None:
        """Drive the run to its end. Returning means ``finished``; raising means ``failed``, with the error's text."""

    @staticmethod
    def load_result(folder: Path) -> Any:
        """The run's result, from its folder, in the user's process (``run.result()``)."""
