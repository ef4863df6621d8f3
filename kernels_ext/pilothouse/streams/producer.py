"""The node process that produces: makes the source's messages when the schedule wants them and appends them."""

from __future__ import annotations

import time
from typing import Any

from pilothouse.runs.channel import Channel
from pilothouse.streams.workers import Reports, hello, leave, work

#: Messages and payload bytes appended in one transaction at most.
BATCH = 64
BATCH_BYTES = 8 << 20
#: Seconds until a producer looks again at a full partition.
PATIENCE = 0.002
#: Seconds after the end of its time in which a producer that is behind its schedule still sends what is due.
OVERTIME = 2.0


def main(channel: Channel) -> None:
    """Produce until the schedule ends or the driver says stop; what was acknowledged is in the log."""
    broker = hello(channel)
    if broker is not None:
        producer = Producer(channel, broker)
        leave(channel, broker, (), done=work(producer.run))


class Producer:
    """Producer `index` of `producers`: sends the messages ``index, index + producers, ...`` of the run.

    Message ``seq`` goes to partition ``seq % partitions`` and is due at ``origin + seq / rate``. All of this can be
    read from the log again, so a producer that was killed goes on where its last acknowledged append ended.
    """

    def __init__(self, channel: Channel, broker: Any) -> None:
        from pilothouse.streams import catalogue

        self.channel = channel
        config = channel.config
        self.parameters: dict[str, Any] = config["parameters"]
        self.index, self.step = int(config["index"]), int(self.parameters["producers"])
        self.name, self.run_id = str(self.index), bytes.fromhex(config["run_id"])
        self.rate: float | None = self.parameters["rate"]
        self.source = catalogue.load("source", self.parameters["source"])(self.parameters)
        self.broker = broker
        self.sent = [self.broker.sent(p, self.name) for p in range(self.parameters["partitions"])]
        self.origin = max(sent.origin for sent in self.sent) or time.time_ns()
        self.sent = [sent._replace(origin=self.origin) for sent in self.sent]
        self.reports = Reports()
        self.reported: dict[str, int] = {}

    def run(self) -> bool:
        """Send what is due, then wait for what comes next; whether all is sent."""
        seq = self._first()
        while not (done := self._ended(seq)) and not self.channel.stopping.is_set():
            batch, seq, due = self._batch(seq)
            for partition, messages in batch.items():
                self._append(partition, messages)
            self._report()
            if not batch:
                # Until the next message is due, but never past the next report.
                self.channel.stopping.wait(min(due, 0.05))
        self._report(last=True)
        if done:
            self.channel.send({"done": {}})
        return done

    def _first(self) -> int:
        """The first message that may not be settled: in each partition all below ``next_seq`` are."""
        candidates: list[int] = []
        for partition, sent in enumerate(self.sent):
            seq = max(self.index, sent.next_seq + (self.index - sent.next_seq) % self.step)
            for _ in range(len(self.sent)):
                if seq % len(self.sent) == partition:
                    candidates.append(seq)
                    break
                seq += self.step
        return min(candidates)

    def _due(self, seq: int) -> int:
        return time.time_ns() if self.rate is None else self.origin + int(seq / self.rate * 1e9)

    def _ended(self, seq: int) -> bool:
        messages, seconds = self.parameters["messages"], self.parameters["seconds"]
        if messages is not None and seq >= messages:
            return True
        return seconds is not None and (self._is_over() or (self.rate is not None and seq / self.rate >= seconds))

    def _is_over(self) -> bool:
        """Whether the time of the run is over, by the clock: a schedule that can't be kept does not make it longer."""
        seconds: float | None = self.parameters["seconds"]
        if seconds is None:
            return False
        elapsed = (time.time_ns() - self.origin) / 1e9
        return elapsed >= seconds + (0.0 if self.rate is None else OVERTIME)

    def _batch(self, seq: int) -> tuple[dict[int, list[tuple[bytes, Any]]], int, float]:
        """The messages that are due, by partition; the next sequence number; seconds until it is due."""
        from pilothouse.streams.messages import Header, pack

        schema = self.source.schema
        # A closed loop has no backlog to catch up with: small batches keep its latency low.
        most = max(1, min(8 if self.rate is None else BATCH, BATCH_BYTES // schema.nbytes))
        batch: dict[int, list[tuple[bytes, Any]]] = {}
        count = 0
        while True:
            intended, now = self._due(seq), time.time_ns()
            if count == most or intended > now or self._ended(seq):
                return batch, seq, max(0, intended - now) / 1e9
            partition = seq % len(self.sent)
            if seq >= self.sent[partition].next_seq:
                payload = self.source.payload(seq)
                header = Header(self.run_id, seq, partition, schema.id, intended, time.time_ns(), schema.nbytes)
                batch.setdefault(partition, []).append((pack(header, payload), payload))
                count += 1
            seq += self.step

    def _append(self, partition: int, messages: list[tuple[bytes, Any]]) -> None:
        while messages:
            before = self.sent[partition]
            taken = self.broker.append(partition, messages, producer=self.name, sent=before)
            if taken:
                self.sent[partition] = self.broker.sent(partition, self.name)
                messages = messages[taken:]
            if not messages:
                return
            if self.parameters["when_full"] == "drop":
                from pilothouse.streams.messages import HEADER

                last = HEADER.unpack(messages[-1][0])[5]
                after = self.sent[partition]
                self.sent[partition] = after._replace(next_seq=last + 1, dropped=after.dropped + len(messages))
                self.broker.drop(partition, producer=self.name, sent=self.sent[partition])
                return
            self._report()
            if self.channel.stopping.wait(PATIENCE) or self._is_over():
                return  # never acknowledged, so never produced

    def _report(self, *, last: bool = False) -> None:
        if not (self.reports.due() or last):
            return
        values = {
            "produced": sum(sent.messages for sent in self.sent),
            "produced_bytes": sum(sent.nbytes for sent in self.sent),
            "dropped": sum(sent.dropped for sent in self.sent),
        }
        if values != self.reported or last:
            self.channel.send({"sample": values})
            self.reported = values
