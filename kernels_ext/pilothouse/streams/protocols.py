"""What a broker, a source and a processor are. Each passes its suite of :mod:`pilothouse.testing`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy.typing as npt

    from pilothouse.streams.messages import Header, Schema


class Sent(NamedTuple):
    """What one producer has put into one partition, as the broker remembers it.

    Attributes
    ----------
    next_seq
        The producer's messages below this sequence number are settled: appended or dropped. Where a restarted
        producer goes on.
    messages, nbytes, dropped
        Appended messages, their payload bytes, and messages dropped by policy.
    origin
        The zero of the producer's schedule, ns since 1970; 0 before its first append.
    """

    next_seq: int = 0
    messages: int = 0
    nbytes: int = 0
    dropped: int = 0
    origin: int = 0


class Position(NamedTuple):
    """What a consumer group has finished in one partition.

    Attributes
    ----------
    offset
        Messages below it are processed: also their number.
    nbytes
        Their payload bytes.
    state
        What the group's processor knew after them.
    """

    offset: int = 0
    nbytes: int = 0
    state: bytes = b""


class Message(NamedTuple):
    """A message as a consumer sees it; `payload` views the broker's memory and ends with the batch."""

    offset: int
    header: Header
    payload: memoryview


class Broker(Protocol):
    """A partitioned, ordered log with one writer at a time and consumer groups.

    Offsets of a partition count from 0 without gaps. What :meth:`append` acknowledged survives the death of any
    process. What a partition holds is bounded in bytes; processed messages make room for new ones, others never.
    Opening is idempotent: whoever comes first makes the log. Closing twice is no error.
    """

    partitions: int

    def append(self, partition: int, messages: Sequence[tuple[bytes, Any]], *, producer: str, sent: Sent) -> int:
        """Append (header, payload) pairs and the producer's record `sent`, both or neither.

        `sent` describes the producer *before* this call; what the broker stores is that plus what it took.
        Returns how many of the messages, from the front, it took: fewer than given when the partition is full.

        Raises
        ------
        InvalidInput
            A message is larger than the partition may ever hold.
        """

    def drop(self, partition: int, *, producer: str, sent: Sent) -> None:
        """Remember `sent`, in which messages were given up."""

    def sent(self, partition: int, producer: str) -> Sent:
        """What `producer` has put there so far, over all its lives."""

    def read(
        self, partition: int, start: int, *, max_messages: int = 256, max_bytes: int = 16 << 20
    ) -> AbstractContextManager[Iterator[Message]]:
        """The messages from offset `start` on; at least one where there is one, however large.

        Payloads are views, checked against their checksum as they come, and valid inside the ``with`` block only.

        Raises
        ------
        Corrupt
            A message is damaged. Nothing is skipped silently.
        NotFound
            `start` has already made room for newer messages.
        """

    def tail(self, partition: int) -> int:
        """The offset that the next message will get."""

    def join(self, partition: int, group: str) -> Position:
        """Where `group` is in the partition; from then on nothing is removed that it has not processed."""

    def commit(self, partition: int, group: str, before: Position, offset: int, state: bytes) -> Position:
        """Move `group` from `before` to `offset`: offset, bytes and state together or not at all.

        Raises
        ------
        Conflict
            The group is not at `before`: another process has the partition, and nothing is counted twice.
        """

    def wait(self, partitions: Sequence[int], timeout: float) -> None:
        """Return soon after an append to one of the partitions, and after `timeout` seconds at the latest.

        May return early for no reason. One consumer process a partition is woken.
        """

    def close(self) -> None:
        """Release everything but the messages."""

    def remove(self) -> None:
        """Close, and delete the messages for good."""


@runtime_checkable
class Portable(Broker, Protocol):
    """A broker whose messages lie with its processes, and can be carried to where they outlive these."""

    path: Path

    def hold(self) -> None:
        """Make sure that :meth:`save` works even when the log's folder is deleted meanwhile."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep out other processes that ask for the same."""

    def save(self, folder: Path) -> None:
        """Copy everything that is not processed yet into `folder`; each partition is of one moment."""

    @classmethod
    def restore(cls, folder: Path, path: Path, *, partitions: int, limit: int, later_ns: int) -> Self:
        """The broker at `path` again, from `folder`; its producers' schedules go on `later_ns` later."""


class Source(Protocol):
    """Makes the payload of each message. The same parameters and `seq` give the same bytes, in any process."""

    schema: Schema

    def __init__(self, parameters: Mapping[str, Any]) -> None: ...

    def payload(self, seq: int) -> npt.NDArray[Any]:
        """The payload of message `seq`: a C-contiguous array of the source's schema."""


class Processor(Protocol):
    """Processes the messages of one partition in order, and can say all that it knows as bytes."""

    #: Name and unit of the quality figure that :meth:`process` returns, as telemetry shows them.
    quality: str

    def __init__(self, parameters: Mapping[str, Any], state: bytes) -> None:
        """Go on from `state` (empty: from nothing)."""

    @staticmethod
    def warm() -> None:
        """Do what takes long the first time in a process, such as loading compiled code.

        Called in a thread beside :meth:`process`, which must work, if slower, before it is done.
        """

    def process(self, payload: npt.NDArray[Any]) -> float:
        """Take in one payload (not kept); the quality of what was known before it."""

    def state(self) -> bytes:
        """All that was learned. Never unpickled: a format of the processor's own."""

    @staticmethod
    def merge(parameters: Mapping[str, Any], states: Sequence[bytes]) -> dict[str, Any]:
        """One result from the states of all partitions: name -> ``dims``, ``data`` (nested lists), ``attrs``.

        Light, for it runs in the supervisor.
        """
