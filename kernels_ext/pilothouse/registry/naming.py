"""Names: one space for the user's pilots and runs, where each is one thing's until that is removed.

A name is taken by a small file in ``names/`` of the state folder, which the file system makes for one caller only;
the record is written after it. Whoever finds that file but no record comes in between, or after a crash in between.
Nothing is ever deleted because its name is wanted again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pilothouse.errors import Conflict, InvalidInput, NotFound
from pilothouse.registry.folders import EVENTS
from pilothouse.registry.journal import Journal
from pilothouse.registry.liveness import START_S, reconcile, reconcile_run
from pilothouse.registry.owning import P, check_same
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord
from pilothouse.registry.store import Records
from pilothouse.state import check_name, home, registry, write_first, writing

#: What becomes of a name that something has which has ended: ``sim`` becomes ``sim-2``, or it is refused.
Exist = Literal["number", "error"]
#: The most letters of a name.
LONGEST = 48


def claim(records: Records[P], name: str | None, stem: str, make: Callable[[str], P], exist: Exist = "number") -> P:
    """Take a name, and write the record that `make` makes with it.

    Parameters
    ----------
    name
        The name that is asked for. None: the first of ``stem-1``, ``stem-2`` … that nobody has.
    exist
        What happens when something that has ended has `name`: ``"number"`` takes the first of ``name-2``,
        ``name-3`` … that nobody has, and says so; ``"error"`` refuses.

    Raises
    ------
    InvalidInput
        `name` can't be one, or `exist` is neither.
    Conflict
        Something that goes on has `name`, or `exist` is ``"error"`` and something has.

    Warns
    -----
    UserWarning
        The name is a numbered one.
    """
    check_exist(exist)
    before = ""
    for chosen in numbered(name) if name is not None else (_with_number(stem, i) for i in itertools.count(1)):
        if _take(check_name(chosen)):
            with _given_back_if_unused(chosen):
                if name is not None and chosen != name:
                    goes_on = f", beside {before!r}, which goes on" if before != name and _goes_on(before) else ""
                    _say(
                        f"name={name!r} is that of {_what(name)}, which has ended and stays: "
                        f"this one is {chosen!r}{goes_on}"
                    )
                record = make(chosen)
                records.create(record)
            if name is not None and chosen != name:
                Journal(records.folder(chosen) / EVENTS).add("numbered", asked=name)
            return record
        if chosen == name:
            _refuse(name, exist)
        before = chosen
    raise AssertionError("numbers have no end")


def numbered(name: str) -> Iterator[str]:
    """`name`, and those that come after it: ``sim``, ``sim-2``, ``sim-3`` … in that order."""
    yield name
    yield from (_with_number(name, i) for i in itertools.count(2))


def check_exist(exist: object) -> None:
    """:class:`InvalidInput` when `exist` is none of :data:`Exist`."""
    if exist not in ("number", "error"):
        raise InvalidInput(
            f"exist={exist!r}: 'number', which makes 'sim-2' where something that ended is called 'sim', or 'error'",
            field="exist",
        )


def remove(records: Records[P], record: P) -> None:
    """Remove this very record with its folder, and give its name back.

    Its file is taken away first, under another name: one caller only can do that, and no other record can come to its
    place while the name is still taken.

    Raises
    ------
    NotFound
        It is not there any more.
    Conflict
        It had ended, and goes on again.
    """
    path, folder = records.path(record.name), records.root / record.name
    check_same(records.read(record.name), record.created)
    mark = f"{os.getpid()}.{os.urandom(4).hex()}"
    taken = path.with_name(f".{path.name}.{mark}")
    try:
        path.rename(taken)
    except FileNotFoundError:
        raise NotFound(f"{record.name!r} was removed a moment ago", field="name") from None
    try:
        found = check_same(records.model.model_validate_json(taken.read_bytes()), record.created)
        if record.state.ended and not found.state.ended:
            raise Conflict(f"{record.name!r} has just been recovered: it goes on", field="name")
    except BaseException:  # it changed after the look above
        with contextlib.suppress(FileExistsError):
            os.link(taken, path)
        taken.unlink()
        raise
    leaving = folder.with_name(f".{folder.name}.{mark}")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(leaving)
    _file(record.name).unlink(missing_ok=True)
    shutil.rmtree(leaving, ignore_errors=True)  # what a crash leaves of these two, a sweep removes
    taken.unlink(missing_ok=True)


def remove_unused(age_s: float) -> None:
    """Give names back that were taken `age_s` seconds ago or more, and came to nothing: their process has died."""
    for path in _folder().glob("[!.]*"):
        with contextlib.suppress(OSError):
            if not _has_remains(path.name) and time.time() - path.stat().st_mtime >= age_s:
                path.unlink()


def tag(node: str = "") -> str:
    """The batch system's name for the job of `node`: by it our jobs are known again, and those of no other registry.

    Without `node`, what all our jobs' names begin with.
    """
    return f"pilothouse-{registry()}-{node}"


def _with_number(stem: str, number: int) -> str:
    end = f"-{number}"
    return f"{stem[: LONGEST - len(end)]}{end}"


def _folder() -> Path:
    path = home() / "names"
    with writing(path):
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def _file(name: str) -> Path:
    return _folder() / name


def _take(name: str) -> bool:
    """Whether the name is this caller's now."""
    path = _file(name)
    if path.exists():  # most are found so, which costs nothing
        return False
    with writing(path):
        mine = write_first(path, json.dumps({"host": os.uname().nodename, "pid": os.getpid()}).encode())
    return mine and not _has_remains(name)  # of a version whose names were not taken this way: it is theirs now


def _has_remains(name: str) -> bool:
    """Whether there is a record of that name, or a folder, be it of a record that is lost."""
    return any(path.exists() for kind in (PILOTS, RUNS) for path in (kind.path(name), kind.root / name))


@contextlib.contextmanager
def _given_back_if_unused(name: str) -> Iterator[None]:
    """Whoever comes to no record, for a warning that is an error or an interrupt, has no name."""
    try:
        yield
    except BaseException:
        if not _has_remains(name):
            _file(name).unlink(missing_ok=True)
        raise


def _holders(name: str) -> Iterator[tuple[str, PilotRecord | RunRecord]]:
    """What has the name, each as it is now; only versions that had a space of names for each kind left two."""
    with contextlib.suppress(NotFound):
        yield "pilot", reconcile(PILOTS.read(name))
    with contextlib.suppress(NotFound):
        yield "run", reconcile_run(RUNS.read(name))


def _what(name: str) -> str:
    return " and ".join(f"a {kind}" for kind, _ in _holders(name)) or "something"


def _goes_on(name: str) -> bool:
    return any(not record.state.ended for _, record in _holders(name))


def _refuse(name: str, exist: Exist) -> None:
    """Raise :class:`Conflict` unless what has the name has ended, and a number may do."""
    holders = list(_holders(name))
    for kind, record in holders:
        if not record.state.ended:
            raise Conflict(
                f"name={name!r}: a {kind} of that name is going on; ph.attach({name!r}) finds it, "
                "or choose another name",
                field="name",
            )
    if not holders and not _is_old(name):
        raise Conflict(
            f"name={name!r}: another process is making something of that name; ph.attach({name!r}) finds it in a "
            "moment, or choose another name",
            field="name",
        )
    if exist == "error":
        raise Conflict(
            f"name={name!r}: {_what(name)} of that name has ended; ph.attach({name!r}) finds it with its results. "
            f"ph.attach({name!r}).remove() gives the name back, or choose another name, or exist='number'",
            field="name",
        )


def _is_old(name: str) -> bool:
    """Whether who took the name would have made its record by now."""
    try:
        return time.time() - _file(name).stat().st_mtime > START_S
    except FileNotFoundError:  # it was given back a moment ago
        return False


def _say(text: str) -> None:
    """Warn whoever called the library, however deep in it this is."""
    level, frame = 1, sys._getframe()  # noqa: SLF001 - private in name only: it is documented
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "pilothouse":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
