"""Drives a streaming run: producers and consumers on the pilot's nodes, ten samples a second, one result."""

from __future__ import annotations

import asyncio
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
from pilothouse.streams.crew import Member, Place
from pilothouse.streams.description import StreamDescription
from pilothouse.streams.tally import QUANTILES, Tally, latencies
from pilothouse.streams.workers import INTERVAL
from pilothouse.telemetry import UNITS

if TYPE_CHECKING:
    import xarray

RESULT = "result.json"
#: Of the two seconds that a stop may take: for producers to end, for consumers to drain, for them to say goodbye.
STOP_PRODUCERS, STOP_DRAIN, STOP_GOODBYE = 0.5, 0.7, 0.3
#: Seconds for which the driver waits for processes that save the log for another supervisor, of the four that all
#: runs have. They go on saving without it.
SAVE = 3.5


class StreamDriver:
    """A run of the kind ``stream``; its parameters are a :class:`~pilothouse.streams.description.StreamDescription`.

    It ends when its producers have sent what they should and all of it is processed, or when it is stopped. A stop
    ends the producers first; consumers then drain the log. What they don't finish in time stays there, uncommitted,
    and the result says how much that is: nothing is lost, nothing counted twice. When its supervisor dies, another
    one goes on from what was committed (:mod:`pilothouse.streams.salvage`); its schedule stands still meanwhile.
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
        self._muster()
        lives = [asyncio.create_task(m.live(node)) for m, node in zip(self.crew, self._nodes(), strict=True)]
        ticks = asyncio.create_task(self._tick())
        try:
            await self._produce(lives)
            await self._drain(lives)
            await self._goodbye()
        except BaseException:
            # What is still alive takes the log away, to where the next driver finds it or for good.
            order, grace = ("", SAVE) if context.handing_over else ("remove", 1.0)
            await asyncio.gather(*(member.end(grace, order) for member in self.crew), return_exceptions=True)
            raise
        finally:
            ticks.cancel()
            for task in lives:
                task.cancel()
            await asyncio.gather(ticks, *lives, return_exceptions=True)
            if not context.handing_over:  # what a killed process leaves is left to whoever is near
                await asyncio.to_thread(self.place.tidy, kept=self.kept)
        self._sample()
        await asyncio.to_thread(self._write)

    @property
    def crew(self) -> list[Member]:
        """All processes. Consumers come first, for they take longer to start."""
        return [*self.consumers, *self.producers]

    def _muster(self) -> None:
        run_id = self.place.run_id
        base = {"parameters": self.parameters, "run_id": run_id, "folder": str(self.context.folder)}
        number = self.parameters["consumers"]
        self.consumers = [
            self._member("consumer", i, {**base, "partitions": list(range(i, self.parameters["partitions"], number))})
            for i in range(number)
        ]
        self.producers = [
            self._member("producer", i, {**base, "index": i}) for i in range(self.parameters["producers"])
        ]

    def _member(self, kind: str, index: int, config: dict[str, Any]) -> Member:
        module = f"pilothouse.streams.{kind}"
        return Member(self.context, self.place, self.tally, module, f"{kind}-{index}", config)

    def _nodes(self) -> list[str | None]:
        """A node for each process, in turn."""
        nodes = list(self.context.nodes)
        return [nodes[i % len(nodes)] if nodes else None for i in range(len(self.crew))]

    async def _produce(self, lives: Iterable[asyncio.Task[None]]) -> None:
        """Until all producers have ended by themselves, or the run is stopped."""
        if not self.place.continued:
            self.context.telemetry.append(time.time(), dict.fromkeys(UNITS.keys() - {"latency"}, 0.0))
        await self._until(lives, _all(self.producers), stop=True)
        if self.context.stopping.is_set():
            if self.place.continued:  # a result without what was there before would be none
                await self._until(lives, self.place.ready.wait(), stop=False)
            await asyncio.gather(*(member.end(STOP_PRODUCERS) for member in self.producers))

    async def _drain(self, lives: Iterable[asyncio.Task[None]]) -> None:
        """Have the consumers process what was produced."""
        if not self.context.stopping.is_set():
            await self._order_drain(None)
            await self._until(lives, _all(self.consumers), stop=True)
        if self.context.stopping.is_set() and not all(m.finished.is_set() for m in self.consumers):
            await self._order_drain(STOP_DRAIN)
            try:
                async with asyncio.timeout(STOP_DRAIN + STOP_GOODBYE):
                    await self._until(lives, _all(self.consumers), stop=False)
            except TimeoutError:
                self.context.log("consumers did not finish in time; their messages stay in the log")

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
        self.kept = self.tally.total("produced") > self.tally.total("consumed")
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
        remaining = self.tally.total("produced") - self.tally.total("consumed")
        states = []
        for partition in range(self.parameters["partitions"]):
            path = self.context.folder / f"partition-{partition}.state"
            if path.exists():
                states.append(path.read_bytes())
                path.unlink()
        counters = ("produced", "consumed", "produced_bytes", "consumed_bytes", "dropped")
        result = {
            "model": self.processor.merge(self.parameters, states),
            "totals": {name: self.tally.total(name) for name in counters} | {"remaining": remaining},
            "latency": [latencies(self.tally.overall).get(f"latency_p{q}") for q in QUANTILES],
            "quality": {self.tally.quality: None if self.tally.figure != self.tally.figure else self.tally.figure},
            "attrs": {
                "parameters": self.parameters,
                "started": self.place.started.isoformat(),
                "ended": utcnow().isoformat(),
                "warmup_seconds": max((m.warm or 0.0 for m in self.consumers), default=0.0),
                "warmup_messages": sum(self.tally.warmup.values()),
                "restarts": sum(member.lives for member in self.crew),
                "drivers": 1 + self.place.lives,
                "paused_seconds": self.place.paused_s,
                "log": self.place.log if self.kept else "",
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
            warm-up, restarts, ``drivers`` (supervisors that went on with it), ``paused_seconds`` (between them),
            ``log`` (where remaining messages lie).

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


async def _all(members: list[Member]) -> None:
    for member in members:
        await member.finished.wait()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("pilothouse", "numpy", "numba", "lmdb"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
