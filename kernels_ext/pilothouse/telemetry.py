"""Telemetry: a bounded store of samples, the frames in which they travel, and the dataset they become.

One class serves the supervisor (which appends), widgets and panels (which ask for a snapshot and then
for increments) and files. Counters are cumulative; rates are derived, never stored. Times are seconds
since 1970, UTC. A latency percentile is the column ``latency_p50``, ``latency_p90`` or ``latency_p99``.
"""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pilothouse.state import write_atomic

if TYPE_CHECKING:
    import xarray

Floats = npt.NDArray[np.float64]

#: Units of the variables that runs may have: streams the first seven, analyses the next two, services the others.
UNITS = {
    "produced": "messages",
    "consumed": "messages",
    "produced_bytes": "bytes",
    "consumed_bytes": "bytes",
    "dropped": "messages",
    "lag": "messages",
    "latency": "s",
    "frames": "frames",
    "pairs": "pairs",
    "bytes_in": "bytes",
    "bytes_out": "bytes",
    "messages_in": "messages",
    "partitions": "partitions",
    "leaders": "partitions",
    "under_replicated": "partitions",
    "cores": "cores",
    "cores_used": "cores",
    "memory": "bytes",
    "memory_used": "bytes",
    "disk_used": "bytes",
    "disk_free": "bytes",
    "objects_bytes": "bytes",
    "nodes": "nodes",
}

#: The most samples that a store keeps. 4096 samples of 10 variables are 360 kB.
CAPACITY = 4096
#: A store that goes on after another numbers its samples from the next but one multiple of this: no reader of the
#: other, which may have shown more than it saved, can go on there. A power of two, so that thinning keeps the first.
RESTORED = 2**20


@dataclass(frozen=True)
class Frame:
    """Samples in transit.

    Attributes
    ----------
    seq
        Sequence number of the last sample: what to pass to :meth:`Telemetry.since` next.
    reset
        True when these samples replace what the reader has, False when they follow it.
    time
        Shape (n,), seconds since 1970, UTC.
    columns
        Name -> values, shape (n,) each; NaN where a sample had no such value.
    """

    seq: int
    reset: bool
    time: Floats
    columns: dict[str, Floats]

    def since(self, seq: int) -> Frame:
        """Of a store's whole frame, the samples after `seq`; everything when that can't be an increment.

        The latest half of a store's capacity is never thinned: so many of the last samples follow each other.
        """
        new = self.seq - seq
        if not (seq > 0 and 0 <= new <= min(len(self.time), CAPACITY // 2)):
            return self
        part = slice(len(self.time) - new, None)
        return Frame(self.seq, False, self.time[part], {name: values[part] for name, values in self.columns.items()})

    def encode(self) -> bytes:
        """Bytes for a socket: uint32 header length (LE), JSON header padded to 8 bytes, float64 columns (LE).

        The header is ``{"seq", "reset", "n", "columns": [names]}``; ``time`` comes first, then the columns in order.
        """
        head = {"seq": self.seq, "reset": self.reset, "n": len(self.time), "columns": list(self.columns)}
        text = json.dumps(head).encode()
        text += b" " * (-(len(text) + 4) % 8)
        body = [np.ascontiguousarray(values, dtype="<f8").tobytes() for values in (self.time, *self.columns.values())]
        return b"".join([struct.pack("<I", len(text)), text, *body])

    @staticmethod
    def decode(data: bytes | memoryview) -> Frame:
        """The frame that :meth:`encode` packed."""
        (length,) = struct.unpack_from("<I", data)
        head = json.loads(bytes(data[4 : 4 + length]))
        n = int(head["n"])
        values = np.frombuffer(data, dtype="<f8", offset=4 + length).reshape(1 + len(head["columns"]), n)
        return Frame(
            int(head["seq"]), bool(head["reset"]), values[0], dict(zip(head["columns"], values[1:], strict=True))
        )


class Telemetry:
    """A bounded store of samples: when it is full, the older half is thinned.

    There every second, then every fourth ... sample stays, so the whole run is in view at an even rate and its
    recent part at full rate. Safe for one writer and many reading threads.

    Parameters
    ----------
    capacity
        The most samples kept.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._seq = np.zeros(capacity, dtype=np.int64)
        self._time = np.zeros(capacity)
        self._columns: dict[str, Floats] = {}
        self._size = 0
        self._last = 0
        self._stride = 2  # of the samples kept in the older half
        self._thinned = 0  # samples up to this sequence number may be missing

    def __len__(self) -> int:
        return self._size

    @property
    def seq(self) -> int:
        """Sequence number of the last sample, 0 when there is none."""
        return self._last

    def append(self, time: float, values: Mapping[str, float]) -> int:
        """Add a sample and return its sequence number (1 for the first)."""
        with self._lock:
            if self._size == self.capacity:
                self._thin()
            for name in values:
                if name not in self._columns:
                    self._columns[name] = np.full(self.capacity, np.nan)
            at = self._size
            self._last += 1
            self._seq[at] = self._last
            self._time[at] = time
            for name, column in self._columns.items():
                column[at] = values.get(name, np.nan)
            self._size += 1
            return self._last

    def restore(self, frame: Frame) -> None:
        """Begin with the samples of `frame`, which another store saved. Its readers get everything anew."""
        for name in frame.columns:
            self._columns[name] = np.full(self.capacity, np.nan)
        at = max(0, len(frame.time) - self.capacity)
        self._size = size = len(frame.time) - at
        first = (frame.seq // RESTORED + 2) * RESTORED + 1
        self._last = self._thinned = first + size - 1
        self._seq[:size] = np.arange(first, first + size)
        self._time[:size] = frame.time[at:]
        for name, values in frame.columns.items():
            self._columns[name][:size] = values[at:]

    def _thin(self) -> None:
        half = self.capacity // 2
        old = self._seq[:half]
        while np.count_nonzero((old - 1) % self._stride == 0) > half // 2:
            self._stride *= 2
        keep = np.concatenate([np.flatnonzero((old - 1) % self._stride == 0), np.arange(half, self.capacity)])
        self._thinned = int(old[-1])
        for column in (self._seq, self._time, *self._columns.values()):
            column[: len(keep)] = column[keep]
        self._size = len(keep)

    def since(self, seq: int = 0) -> Frame:
        """The samples after `seq`; everything, marked ``reset``, when that can't be an increment."""
        with self._lock:
            reset = seq <= 0 or seq < self._thinned or seq > self._last
            first = 0 if reset else int(np.searchsorted(self._seq[: self._size], seq, side="right"))
            part = slice(first, self._size)
            columns = {name: column[part].copy() for name, column in self._columns.items()}
            return Frame(self._last, reset, self._time[part].copy(), columns)

    def last(self) -> dict[str, float]:
        """The latest sample's values (empty when there is none)."""
        with self._lock:
            if not self._size:
                return {}
            return {name: float(column[self._size - 1]) for name, column in self._columns.items()}

    def save(self, path: Path) -> None:
        """Write everything to `path`, whole or not at all."""
        write_atomic(path, self.since().encode())


def load(path: Path) -> Frame:
    """The frame in a file written by :meth:`Telemetry.save`; an empty one when there is no file."""
    try:
        return Frame.decode(path.read_bytes())
    except FileNotFoundError:
        return Frame(0, True, np.zeros(0), {})


def to_dataset(frame: Frame, attrs: Mapping[str, Any] | None = None) -> xarray.Dataset:
    """`frame` as the public telemetry dataset.

    Returns
    -------
    xarray.Dataset
        Dimension ``time`` (UTC, datetime64[ns]); cumulative ``produced``, ``consumed`` (messages),
        ``produced_bytes``, ``consumed_bytes``, ``dropped``; ``lag`` (messages); ``latency``
        (time, quantile) in seconds; the run's own quality figures under their own names.
    """
    import xarray as xr

    time = np.round(frame.time * 1e9).astype("int64").astype("datetime64[ns]")
    data: dict[str, Any] = {}
    quantiles: dict[float, Floats] = {}
    for name, values in frame.columns.items():
        if name.startswith("latency_p"):
            quantiles[float(name.removeprefix("latency_p")) / 100] = values
        else:
            data[name] = ("time", values, {"units": UNITS[name]} if name in UNITS else {})
    coords: dict[str, Any] = {"time": time}
    if quantiles:
        order = sorted(quantiles)
        coords["quantile"] = order
        data["latency"] = (("time", "quantile"), np.stack([quantiles[q] for q in order], axis=1), {"units": "s"})
    return xr.Dataset(data, coords=coords, attrs=dict(attrs or {}))
