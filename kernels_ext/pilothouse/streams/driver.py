"""Drives a streaming run: producers and consumers on the pilot's nodes, ten samples a second, one result."""

from __future__ import annotations

import asyncio
import itertools
import json
import platform
import time
from collections.abc import Coroutine, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.errors import NotFound
from pilothouse.runs.protocols import RunContext
from pilothouse.state import utcnow, write_atomic
from pilothouse.streams import catalogue
from pilothouse.streams.crew import Crew, Member, all_finished
from pilothouse.streams.description import StreamDescription
from pilothouse.streams.place import Place
from pilothouse.streams.tally import COUNTERS, QUANTILES, Tally, latencies
from pilothouse.streams.workers import INTERVAL
from pilothouse.telemetry import UNITS

if TYPE_CHECKING:
    import xarray

RESULT = "result.json"
#: Of the two seconds that a stop may take: for producers to end, for consumers to drain, for them to say goodbye.
STOP_PRODUCERS, STOP_DRAIN, STOP_GOODBYE = 0.5, 0.7, 0.3
#: The most seconds for consumers to hand over their models, which take moments where nothing hangs.
STOP_LAST = 6.0
#: Seconds for which the driver waits for processes that save the log for another supervisor, of the four that all
#: runs have. They go on saving without it.
SAVE = 3.5


class StreamDriver:
    """A run of the kind ``stream``; its parameters are a :class:`~pilothouse.streams.description.StreamDescription`.

    It ends when its producers have sent what they should and all of it is processed, or when it is stopped. A stop
    ends the producers first; consumers then drain the log. What they don't finish in time stays there, uncommitted,
    and the result says how much that is: nothing is lost, nothing counted twice. What the result counts as consumed is
    in its model: a consumer that hangs has none to hand over, so that all of its messages remain. When the log's node
    goes, or the supervisor dies, it goes on elsewhere from what was committed (:mod:`pilothouse.streams.salvage`); its
    schedule stands still meanwhile.
    """

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Drive the run to its end."""
        self.context = context
        self.parameters = StreamDescription.check(context.parameters).model_dump()
        self.processor = catalogue.load("processor", self.parameters["processor"])
        self.tally = Tally(self.processor.quality)
        self.place = Place(context.folder)
        self.kept = False
        self.unfinished: list[Member] = []
        self._muster()
        context.on_leaving(self.crew.leave)
        members = self.crew.members
        lives = [asyncio.create_task(member.live()) for member in members]
        ticks = asyncio.create_task(self._tick())
        try:
            await self._produce(lives)
            await self._drain(lives)
            await self._goodbye()
        except BaseException:
            # What is reported from now on need not be in the copy of the log from which another driver goes on.
            ticks.cancel()
            # What is still alive takes the log away, to where the next driver finds it or for good.
            order, grace = ("", SAVE) if context.handing_over else ("remove", 1.0)
            await asyncio.gather(*(member.end(grace, order) for member in members), return_exceptions=True)
            raise
        finally:
            ticks.cancel()
            self.crew.close()
            for task in lives:
                task.cancel()
            await asyncio.gather(ticks, *lives, return_exceptions=True)
            if not context.handing_over:  # what a killed process leaves is left to whoever is near
                await asyncio.to_thread(self.place.tidy, kept=self.kept)
        self._sample()
        await asyncio.to_thread(self._write)

    def _muster(self) -> None:
        self.crew = Crew(self.context, self.place)
        nodes = itertools.cycle(list(self.context.nodes) or [None])
        run_id = self.place.run_id
        base = {"parameters": self.parameters, "run_id": run_id, "folder": str(self.context.folder)}
        number = self.parameters["consumers"]
        shares = [list(range(i, self.parameters["partitions"], number)) for i in range(number)]
        self.consumers = [
            self._member("consumer", i, {**base, "partitions": share}, next(nodes)) for i, share in enumerate(shares)
        ]
        self.producers = [
            self._member("producer", i, {**base, "index": i}, next(nodes)) for i in range(self.parameters["producers"])
        ]
        self.crew.members = [*self.consumers, *self.producers]  # consumers first, for they take longer to start

    def _member(self, kind: str, index: int, config: dict[str, Any], node: str | None) -> Member:
        return Member(self.crew, self.tally, f"pilothouse.streams.{kind}", f"{kind}-{index}", config, node)

    async def _produce(self, lives: Iterable[asyncio.Task[None]]) -> None:
        """Until all producers have ended by themselves, or the run is stopped."""
        if not self.place.continued:
            self.context.telemetry.append(time.time(), dict.fromkeys(COUNTERS, 0.0))
        await self._until(lives, all_finished(self.producers), stop=True)
        if self.context.stopping.is_set():
            await self._until(lives, self.place.at_hand(), stop=False)  # a result without what was there would be none
            await asyncio.gather(*(member.end(STOP_PRODUCERS) for member in self.producers))

    async def _drain(self, lives: Iterable[asyncio.Task[None]]) -> None:
        """Have the consumers process what was produced."""
        if not self.context.stopping.is_set():
            await self._order_drain(None)
            await self._until(lives, all_finished(self.consumers), stop=True)
        if self.context.stopping.is_set() and not all(m.finished.is_set() for m in self.consumers):
            await self._until(lives, self.place.at_hand(), stop=False)
            await self._order_drain(STOP_DRAIN)
            try:
                async with asyncio.timeout(STOP_LAST):
                    await self._until(lives, all_finished(self.consumers), stop=False)
            except TimeoutError:
                self.unfinished = [member for member in self.consumers if not member.finished.is_set()]
                names = ", ".join(member.label for member in self.unfinished)
                self.context.log(f"{names} did not finish within {STOP_LAST:g} s: their messages stay in the log")

    async def _order_drain(self, seconds: float | None) -> None:
        await asyncio.gather(*(member.order({"op": "drain", "seconds": seconds}) for member in self.consumers))

    async def _until(
        self, lives: Iterable[asyncio.Task[None]], event: Coroutine[Any, Any, object], *, stop: bool
    ) -> None:
        """Wait for `event` (or, with `stop`, for the order to stop), unless a process fails."""
        ready = asyncio.create_task(event)
        stopping = asyncio.create_task(self.context.stopping.wait())
        ends: set[asyncio.Task[Any]] = {ready, stopping} if stop else {ready}
        pending: set[asyncio.Task[Any]] = {*lives} | ends
        try:
            while not any(end.done() for end in ends):
                done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                pending -= done
        finally:
            ready.cancel()
            stopping.cancel()

    async def _goodbye(self) -> None:
        """End the consumers; the first one removes the log if nothing is left in it."""
        first, *others = self.consumers
        await asyncio.gather(*(member.end(0.2) for member in others))
        produced = self.tally.total("produced")
        if not produced:
            self.unfinished = []  # they never got the log: whoever was to make it was stopped before
        self.kept = bool(self.unfinished) or produced > self.tally.total("consumed")
        if not self.kept:
            await first.order({"op": "remove"})
        await first.end(STOP_GOODBYE)

    async def _tick(self) -> None:
        """Append a sample ten times a second, when there is something new."""
        following = time.monotonic()
        while True:
            following = max(following + INTERVAL, time.monotonic())
            await asyncio.sleep(following - time.monotonic())
            self._sample()

    def _sample(self) -> None:
        values = self.tally.sample()
        if values is None:
            return
        self.context.telemetry.append(time.time(), values)
        if self.parameters["messages"] is not None:
            self.context.progress(values["consumed"], self.parameters["messages"], "messages")
        elif self.parameters["seconds"] is not None:
            elapsed = (utcnow() - self.place.started).total_seconds() - self.place.paused_s
            self.context.progress(min(elapsed, self.parameters["seconds"]), self.parameters["seconds"], "s")

    def _write(self) -> None:
        states = []
        for consumer in self.consumers:
            for partition in consumer.partitions:
                path = self.context.folder / f"partition-{partition}.state"
                if consumer not in self.unfinished and path.exists():
                    states.append(path.read_bytes())
                path.unlink(missing_ok=True)
        totals = {name: self.tally.total(name) for name in ("produced", "produced_bytes", "dropped")}
        unfinished = [member.label for member in self.unfinished]
        totals |= {name: self.tally.total(name, without=unfinished) for name in ("consumed", "consumed_bytes")}
        result = {
            "model": self.processor.merge(self.parameters, states),
            "totals": totals | {"remaining": totals["produced"] - totals["consumed"]},
            "latency": [latencies(self.tally.overall).get(f"latency_p{q}") for q in QUANTILES],
            "quality": {self.tally.quality: None if self.tally.figure != self.tally.figure else self.tally.figure},
            "attrs": {
                "parameters": self.parameters,
                "started": self.place.started.isoformat(),
                "ended": utcnow().isoformat(),
                "warmup_seconds": max((m.warm or 0.0 for m in self.consumers), default=0.0),
                "warmup_messages": sum(self.tally.warmup.values()),
                "restarts": sum(member.deaths for member in self.crew.members),
                "drivers": 1 + self.place.lives,
                "moves": self.place.moves,
                "paused_seconds": self.place.paused_s,
                "log": self.place.log if self.kept else "",
                "unfinished": ", ".join(unfinished),
                "versions": _versions(),
            },
        }
        write_atomic(self.context.folder / RESULT, json.dumps(result).encode())

    @staticmethod
    def load_result(folder: Path) -> xarray.Dataset:
        """The result of the run in `folder`.

        Returns
        -------
        xarray.Dataset
            The processor's model (k-means: ``centres`` (cluster, axis), ``weights`` (cluster)); ``produced``,
            ``consumed``, ``remaining``, ``dropped`` (messages), ``produced_bytes``, ``consumed_bytes`` (bytes);
            ``latency`` (quantile, s) over the whole run, warm-up left out, and what came before a recovery of the
            pilot; the last quality figure (``cost``). Attributes: ``parameters`` and ``versions`` (JSON), times,
            warm-up, restarts, ``drivers`` (supervisors that went on with it), ``moves`` (of the log, from nodes that
            went), ``paused_seconds`` (between them), ``log`` (where remaining messages lie), ``unfinished``
            (consumers that hung at the end, whose messages are not in the model and count as remaining).

        Raises
        ------
        NotFound
            The run left no result.
        """
        import xarray as xr

        try:
            result = json.loads((folder / RESULT).read_bytes())
        except FileNotFoundError:
            raise NotFound(f"the run {folder.name!r} left no result") from None
        data = {name: (part["dims"], part["data"], part["attrs"]) for name, part in result["model"].items()}
        for name, value in result["totals"].items():
            data[name] = ((), value, {"units": UNITS.get(name, "messages")})
        for name, value in result["quality"].items():
            data[name] = ((), float("nan") if value is None else value, {})
        data["latency"] = (("quantile",), [float("nan") if v is None else v for v in result["latency"]], {"units": "s"})
        attrs = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in result["attrs"].items()}
        return xr.Dataset(data, coords={"quantile": [q / 100 for q in QUANTILES]}, attrs=attrs)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("pilothouse", "numpy", "numba", "lmdb"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
