"""A consumer of a Kafka that may have ended before it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any


def closing_at_once(consumer: Any) -> Any:
    """A class of consumers like this one of librdkafka, which don't wait for a Kafka that will not answer any more.

    It is made with librdkafka's settings, and what tells whether the Kafka has ended for good.
    """

    class ServiceConsumer(consumer):  # type: ignore[misc]
        """A consumer of a Kafka that may have ended before it is closed."""

        def __init__(self, settings: Mapping[str, Any], ended: Callable[[], bool]) -> None:
            super().__init__(dict(settings))
            self._ended = ended

        def close(self) -> None:
            """Commit what is not, and leave the group.

            Where the Kafka has ended nobody takes that. librdkafka tries for as long as ``session.timeout.ms`` says,
            45 s, and can't be told not to: here it does so aside.
            """
            if self._ended():
                threading.Thread(target=super().close, name="close", daemon=True).start()
            else:
                super().close()

        def __exit__(self, *_: object) -> None:
            self.close()

    return ServiceConsumer
