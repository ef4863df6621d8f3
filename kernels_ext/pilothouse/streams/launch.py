"""``ph.streams.run``: launch a streaming Mini-App on a pilot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pilothouse.streams.description import StreamDescription

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.pilots.attached import AttachedPilot
    from pilothouse.registry.naming import Exist
    from pilothouse.runs.handle import Run


def run(
    source: str = "kmeans-random",
    processor: str = "kmeans",
    broker: str = "log",
    pilot: Pilot | AttachedPilot | None = None,
    *,
    name: str | None = None,
    exist: Exist = "number",
    rate: float | None = 100.0,
    messages: int | None = None,
    seconds: float | None = None,
    partitions: int = 2,
    producers: int = 1,
    consumers: int = 1,
    clusters: int = 10,
    points: int = 5000,
    dim: int = 3,
    decay: float = 0.95,
    seed: int = 1,
    log_bytes: int = 128 << 20,
    when_full: Literal["block", "drop"] = "block",
) -> Run:
    """Launch a streaming Mini-App and return at once.

    Parameters
    ----------
    source, processor, broker
        Names from :func:`sources`, :func:`processors`, :func:`brokers`.
    pilot
        Where it runs; without one, on the user's local pilot, which starts by itself.
    name
        The run's name, one that no other pilot or run of the user has; without one, one is made.
    exist
        What happens when something that has ended has that name, which stays: ``"number"`` makes this one ``name-2``
        and warns, ``"error"`` refuses.
    rate
        Messages a second, from all producers together. They are sent by schedule, and latency counts from the time
        when the schedule wanted a message sent. None: as fast as the producers can.
    messages, seconds
        End after so many messages or seconds; without both, the run goes on until ``run.stop()``.
    partitions, producers, consumers
        Parts of the log, and processes at either end. Each consumer has partitions of its own.
    clusters, points, dim
        Clusters of the source and of the model; points a message; coordinates of a point (float32).
    decay
        What the model's past still weighs after one message: 1 all, 0 nothing.
    seed
        Of the source's points and the first centres.
    log_bytes
        Payload bytes that a partition may hold.
    when_full
        ``"block"``: producers wait for consumers. ``"drop"``: new messages are given up and counted.

    Returns
    -------
    Run
        With ``.telemetry`` (xarray.Dataset, 10 samples a second), ``.stop()`` and ``.result()``
        (:meth:`~pilothouse.streams.driver.StreamDriver.load_result`).

    Raises
    ------
    InvalidInput
        A value can't be; nothing was launched.
    Conflict
        Something that goes on has that name.

    Examples
    --------
    >>> run = ph.streams.run(rate=200, seconds=10)  # doctest: +SKIP
    >>> run.result()["centres"]  # doctest: +SKIP
    """
    description = StreamDescription.check(
        {
            "source": source, "processor": processor, "broker": broker, "rate": rate, "messages": messages,
            "seconds": seconds, "partitions": partitions, "producers": producers, "consumers": consumers,
            "clusters": clusters, "points": points, "dim": dim, "decay": decay, "seed": seed,
            "log_bytes": log_bytes, "when_full": when_full,
        }
    )  # fmt: skip
    from pilothouse.pilots import pilot_for

    return pilot_for(pilot, name, exist).launch("stream", description.model_dump(), name=name, exist=exist)
