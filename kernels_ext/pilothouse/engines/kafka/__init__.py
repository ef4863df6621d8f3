"""Apache Kafka as an engine (``pilot.start("kafka")``), and a site's own Kafka: :func:`connect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.engines.kafka.site import SiteKafka

__all__ = ["connect"]


def connect(address: str, **credentials: Any) -> SiteKafka:
    """A Kafka that a site runs, with the same clients as one that a pilot started: see :class:`SiteKafka`.

    Examples
    --------
    >>> kafka = connect("broker1:9093,broker2:9093", username="me", password_file="~/.kafka")  # doctest: +SKIP
    >>> kafka.topics()  # doctest: +SKIP
    """
    from pilothouse.engines.kafka.site import SiteKafka

    return SiteKafka(address, **credentials)
