"""A consumer of a Kafka that may have ended before it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer


class ServiceConsumer(Consumer):  # type: ignore[misc]
    """A consumer of librdkafka that does not wait, when it is closed, for a Kafka that will not answer any more.

    Parameters
    ----------
    settings
        librdkafka's.
    ended
        Whether the Kafka has ended for good.
    """

    def __init__(self, settings: Mapping[str, Any], ended: Callable[[], bool]) -> None:
        super().__init__(dict(settings))
        self._ended = ended

    def close(self) -> None:
        """Commit what is not, and leave the group.

        Where the Kafka has ended nobody takes that. librdkafka tries for as long as ``session.timeout.ms`` says, 45 s,
        and can't be told not to: here it does so aside.
        """
        if self._ended():
            threading.Thread(target=super().close, name="close", daemon=True).start()
        else:
            super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()
