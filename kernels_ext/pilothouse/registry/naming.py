"""Names: each belongs to one live pilot and one live run of the user; an ended one gives its name up."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from typing import Any

from pilothouse.errors import Conflict, NotFound
from pilothouse.registry.liveness import reconcile, reconcile_run
from pilothouse.registry.records import PilotRecord
from pilothouse.state import R, Records, check_name, registry


def claim(records: Records[R], name: str | None, stem: str, make: Callable[[str], R]) -> R:
    """Write a new record under `name`, or under the first free ``stem-N``; an ended one gives its name up.

    One that can't be read does not: it is shown, never deleted.
    """
    for chosen in [name] if name is not None else (f"{stem}-{i}" for i in itertools.count(1)):
        record = make(check_name(chosen))
        for _ in range(2):
            try:
                records.create(record)
            except Conflict:
                if name is None or not _ended(records, chosen):
                    break
                forget(records, chosen)
            else:
                return record
    singular = records.kind.removesuffix("s")
    raise Conflict(
        f"name={name!r}: a {singular} of that name is going on; ph.attach({name!r}) finds it, or choose another name",
        field="name",
    )


def tag(node: str = "") -> str:
    """The batch system's name for the job of `node`: by it our jobs are known again, and those of no other registry.

    Without `node`, what all our jobs' names begin with.
    """
    return f"pilothouse-{registry()}-{node}"


def _ended(records: Records[Any], name: str) -> bool:
    try:
        record = records.read(name)
    except NotFound:
        return True
    if isinstance(record, PilotRecord):
        return reconcile(record).state.ended
    return reconcile_run(record).state.ended


def forget(records: Records[R], name: str) -> None:
    """Make room for a new one of the same name."""
    records.path(name).unlink(missing_ok=True)
    shutil.rmtree(records.folder(name), ignore_errors=True)
