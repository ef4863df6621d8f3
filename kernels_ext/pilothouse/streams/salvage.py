"""What of a run's log outlives its driver: saved into the run's folder by its processes, put back for the next driver.

A log lies on a node's own disk and goes with the node. So when a supervisor dies, the processes of a stream, which
notice first, copy it to where the run's record is. Sources give the same bytes again and each partition's model
belongs to its offset, so the copies need not be of the same moment, nor of the last one.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pilothouse.runs.channel import ORPHAN_GRACE, Channel
from pilothouse.streams import catalogue
from pilothouse.streams.protocols import Portable

#: The folder of the copies in the run's own, and the file in it that is written last.
FOLDER, MANIFEST = "log", "saved.json"
#: Seconds to wait for a copy to be there, or to grow: the processes of the driver before may be writing it.
PATIENCE = ORPHAN_GRACE + 3.0
#: The name of the run's consumer group.
GROUP = "run"


def save(broker: Portable, folder: Path) -> None:
    """Bring the log from the node into the run's `folder`; one process of a run does it, the others find it done."""
    from pilothouse.state import write_atomic

    paused = time.time_ns()
    try:
        with broker.alone():
            found = _saved(folder)
            if found is None or found["log"] != str(broker.path):
                broker.save(folder / FOLDER)
                text = json.dumps({"log": str(broker.path), "paused": paused})
                write_atomic(folder / FOLDER / MANIFEST, text.encode())
    finally:
        broker.remove()


def restore(channel: Channel, log: Path, earlier: Sequence[str]) -> dict[str, Any] | None:
    """Put the log of the run to `log`, from the copy of one of the `earlier` places or from such a place itself.

    Returns
    -------
    dict or None
        ``paused_s``, how long nobody wrote, and ``counts``, what each process's counters stand at; None when
        nothing is left of the log.
    """
    folder, parameters = Path(channel.config["folder"]), channel.config["parameters"]
    cls = catalogue.load("broker", parameters["broker"])
    sizes = {"partitions": parameters["partitions"], "limit": parameters["log_bytes"]}
    deadline, copied = time.monotonic() + PATIENCE, 0
    while (found := _saved(folder)) is None or found["log"] not in earlier:
        if channel.stopping.wait(0.05):
            return None
        if (size := _copied(folder)) != copied:
            deadline, copied = time.monotonic() + PATIENCE, size
        if time.monotonic() > deadline:
            left = next((Path(path) for path in reversed(earlier) if _is_whole(Path(path), sizes["partitions"])), None)
            if left is None:
                return None
            save(cls(left, **sizes, existing=True), folder)
    paused_ns = max(time.time_ns() - found["paused"], 0)
    broker = cls.restore(folder / FOLDER, log, **sizes, later_ns=paused_ns)
    try:
        return {"paused_s": paused_ns / 1e9, "counts": _counts(broker, parameters)}
    finally:
        broker.close()


def forget(folder: Path) -> None:
    """Remove the copies from the run's `folder`."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _saved(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / FOLDER / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found


def _copied(folder: Path) -> int:
    """Bytes of the copy so far."""
    try:
        return sum(path.stat().st_size for path in (folder / FOLDER).iterdir())
    except FileNotFoundError:  # it has not begun, or a file has just got its name
        return 0


def _is_whole(log: Path, partitions: int) -> bool:
    return all((log / f"partition-{index}" / "data.mdb").exists() for index in range(partitions))


def _counts(broker: Any, parameters: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The counters of the processes, named as the driver names them."""
    partitions = range(parameters["partitions"])
    counts: dict[str, dict[str, int]] = {}
    for index in range(parameters["producers"]):
        sent = [broker.sent(partition, str(index)) for partition in partitions]
        counts[f"producer-{index}"] = {
            "produced": sum(one.messages for one in sent),
            "produced_bytes": sum(one.nbytes for one in sent),
            "dropped": sum(one.dropped for one in sent),
        }
    for index in range(parameters["consumers"]):
        own = partitions[index :: parameters["consumers"]]
        positions = [broker.join(partition, GROUP) for partition in own]
        consumed = sum(position.offset for position in positions)
        counts[f"consumer-{index}"] = {
            "consumed": consumed,
            "consumed_bytes": sum(position.nbytes for position in positions),
            "lag": sum(broker.tail(partition) for partition in own) - consumed,
        }
    return counts
