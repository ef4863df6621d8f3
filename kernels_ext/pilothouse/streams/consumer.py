"""The node process that consumes: processes the messages of its partitions in order and commits what it learned."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from pilothouse.runs.channel import Channel
from pilothouse.streams.salvage import GROUP
from pilothouse.streams.workers import Reports, hello, leave, work

#: Seconds of processing before a commit.
SLICE = 0.05
#: Seconds after which threads take turns while the processor is still being loaded.
SWITCH = 0.0002


def main(channel: Channel) -> None:
    """Consume until everything is drained, and leave the state of each partition in the run's folder."""
    from pilothouse.streams import catalogue

    broker = hello(channel)
    if broker is None:
        return
    processor = catalogue.load("processor", channel.config["parameters"]["processor"])
    # Messages are processed from the first moment on, and faster once the compiled code is there.
    threading.Thread(target=_warm, args=(channel, processor), name="warm", daemon=True).start()
    consumer = Consumer(channel, broker, processor)
    work(consumer.run)
    leave(channel, broker, consumer.orders, done=False)


def _warm(channel: Channel, processor: Any) -> None:
    started = time.perf_counter()
    # Each numpy call gives up the interpreter and, while this thread imports, waits a whole interval to get it back.
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        processor.warm()
    finally:
        sys.setswitchinterval(usual)
    channel.send({"warm": time.perf_counter() - started})


class Consumer:
    """Consumer of some partitions. A partition's model belongs to the partition: both are committed together.

    So a killed consumer's successor goes on with the model as it was at the committed offset: each message is in it
    exactly once, and no transaction has to span partitions.
    """

    def __init__(self, channel: Channel, broker: Any, processor: Any) -> None:
        from pilothouse.streams import catalogue
        from pilothouse.streams.latency import Histogram

        self.channel = channel
        config = channel.config
        parameters = config["parameters"]
        self.folder = Path(config["folder"])
        self.partitions: list[int] = config["partitions"]
        self.run_id = bytes.fromhex(config["run_id"])
        self.quality = processor.quality
        self.schema = catalogue.load("source", parameters["source"])(parameters).schema
        self.broker = broker
        self.position = {p: self.broker.join(p, GROUP) for p in self.partitions}
        self.processors = {p: processor(parameters, self.position[p].state) for p in self.partitions}
        # What waited while the first consumers started is warm-up, not latency; after a crash it is latency.
        self.warm = time.time_ns() if config["life"] == 0 else 0
        self.latency = Histogram()
        self.warmup = 0
        self.figure, self.figures = 0.0, 0
        self.reports = Reports()
        self.reported: dict[str, Any] = {}
        self.orders: list[str] = []
        self.draining = False
        self.deadline: float | None = None

    def run(self) -> bool:
        """Consume; once told to drain, until the partitions are empty or the time is over, and then finish."""
        while not self.channel.stopping.is_set():
            self._listen()
            worked = False
            for partition in self.partitions:
                if not self._late():
                    worked |= self._step(partition)
            self._report()
            if self.draining and (self._late() or not worked):
                self._finish()
                return True
            if not worked:
                self.broker.wait(self.partitions, 0.05)
        return False

    def _listen(self) -> None:
        order = self.channel.receive(timeout=0)
        if order is None:
            return
        self.orders.append(order["op"])
        if order["op"] == "drain":
            self.draining = True
            self.deadline = None if order["seconds"] is None else time.monotonic() + order["seconds"]

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _step(self, partition: int) -> bool:
        """Process what there is, for a slice of time at most, and commit it."""
        processor, position = self.processors[partition], self.position[partition]
        offset = position.offset
        until = time.monotonic() + SLICE
        with self.broker.read(partition, offset) as batch:
            for message in batch:
                self._process(processor, message)
                offset = message.offset + 1
                if time.monotonic() >= until:
                    break
        if offset == position.offset:
            return False
        self.position[partition] = self.broker.commit(partition, GROUP, position, offset, processor.state())
        return True

    def _process(self, processor: Any, message: Any) -> None:
        from pilothouse.streams.messages import Corrupt

        header = message.header
        if header.run != self.run_id:
            raise Corrupt(f"message {header.seq} at offset {message.offset} belongs to another run")
        self.figure += processor.process(self.schema.decode(header, message.payload))
        self.figures += 1
        if header.intended < self.warm:
            self.warmup += 1
        else:
            self.latency.record((time.time_ns() - header.intended) / 1e9)

    def _report(self, *, last: bool = False) -> None:
        if not (self.reports.due() or last):
            return
        consumed = sum(position.offset for position in self.position.values())
        values: dict[str, Any] = {
            "consumed": consumed,
            "consumed_bytes": sum(position.nbytes for position in self.position.values()),
            "lag": sum(self.broker.tail(p) for p in self.partitions) - consumed,
            "warmup": self.warmup,
        }
        if values == self.reported and not self.figures and not last:
            return
        self.reported = dict(values)
        values["latency"] = self.latency.take()
        values[self.quality] = [self.figure, self.figures]
        self.figure, self.figures = 0.0, 0
        self.channel.send({"sample": values})

    def _finish(self) -> None:
        for partition, position in self.position.items():
            # Read by the driver after `done`, so it is whole by then.
            (self.folder / f"partition-{partition}.state").write_bytes(position.state)
        self._report(last=True)
        remaining = sum(self.broker.tail(p) for p in self.partitions) - self.reported["consumed"]
        self.channel.send({"done": {"remaining": remaining}})
        # The first consumer is asked to remove the log when all others are done.
        while not {"remove", "leave"} & set(self.orders) and (order := self.channel.receive()) is not None:
            self.orders.append(order["op"])
