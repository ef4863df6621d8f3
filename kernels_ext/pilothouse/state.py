"""The user's state folder and its records: one small JSON file each, written whole or not at all.

Home folders are on NFS, so there are no locks and no database: a record is written to a temporary
name, flushed to disk and renamed over the old one. A crash at any byte leaves the old record.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pilothouse.errors import Conflict, InvalidInput, NotFound, PilothouseError, Unavailable

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


def home() -> Path:
    """The user's state folder: ``$PILOTHOUSE_HOME``, else ``~/.local/state/pilothouse`` (mode 0700)."""
    chosen = os.environ.get("PILOTHOUSE_HOME")
    if chosen:
        path = Path(chosen).expanduser().absolute()
    else:
        import platformdirs

        path = platformdirs.user_state_path("pilothouse", appauthor=False)
    return make_private(path)


def make_private(path: Path) -> Path:
    """Make the folder at `path`, and those above it that are missing, for the user alone (0700); `path` itself."""
    if not path.is_dir():  # parents=True would let everybody look into those above it
        make_private(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def registry() -> str:
    """A word for this state folder: what is outside it, such as jobs, is known again by it."""
    path = home() / "id"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        write_atomic(path, os.urandom(3).hex().encode())
        return path.read_text().strip()


def check_name(name: str, *, field: str = "name") -> str:
    """`name` itself, or :class:`InvalidInput` when it can't be a file, job and URL part."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{field}={name!r} can't be used: take 1 to 48 lower-case letters, digits, '-' or '_', "
            "beginning with a letter or digit",
            field=field,
        )
    return name


def utcnow() -> datetime:
    """The present moment, with its time zone."""
    return datetime.now(UTC)


class Fault(NamedTuple):
    """What pydantic found to be wrong first.

    Attributes
    ----------
    place
        The field, and the fields within it, with pydantic's own parts: which of several types it tried.
    value
        What is there.
    kind
        Pydantic's word for what is wrong.
    message
        What is wrong, beginning with a small letter.
    """

    place: tuple[int | str, ...]
    value: Any
    kind: str
    message: str

    @property
    def path(self) -> tuple[int | str, ...]:
        """The field, and the fields within it, as the user wrote them."""
        return tuple(part for part in self.place if part != "[key]" and not str(part).startswith("function-"))

    @property
    def field(self) -> str:
        """The same with points; empty where it is the whole value."""
        return ".".join(map(str, self.path))


def first_fault(error: ValidationError) -> Fault:
    """The first of the faults in `error`."""
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    return Fault(first["loc"], first["input"], first["type"], f"{message[:1].lower()}{message[1:]}")


def first_error(error: ValidationError, whole: str) -> tuple[str, str]:
    """The field of the first fault in `error`, `whole` where it has none; and what is wrong with it."""
    fault = first_fault(error)
    return fault.field or whole, fault.message


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data` (mode 0600) so that a reader or a crash sees the old or the new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_first(path: Path, data: bytes) -> bool:
    """Write `path` (mode 0600), whole, if nothing is there; whether it was this caller who wrote it.

    By a hard link, which the file system makes for one caller only. NFS may lose the answer to a link that was made,
    and then calls it taken when it asks again: the temporary file has a second name all the same.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    write_atomic(temporary, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return temporary.stat().st_nlink == 2
    finally:
        temporary.unlink(missing_ok=True)
    return True


#: The newest shape of records that this version can read.
SCHEMA_VERSION = 1


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """An error of the system while `path` is written is :class:`Unavailable`, and says how to mend it."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the state folder can't be written: {path}: {error.strerror}; mend that, or set PILOTHOUSE_HOME to another"
        ) from None


class Record(BaseModel):
    """What every record has. Fields that a newer version wrote are kept when an older one rewrites it."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)

    schema_version: int = SCHEMA_VERSION
    name: str


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Unreadable:
    """A record file that can't be read: shown to the user, never deleted."""

    name: str
    path: Path
    reason: str


class Records(Generic[R]):
    """The records of one kind, a file ``NAME.json`` each, with a folder ``NAME/`` beside it for what belongs to it."""

    def __init__(self, kind: str, model: type[R]) -> None:
        self.kind = kind
        self.model = model

    @property
    def root(self) -> Path:
        """The folder that holds the records."""
        path = home() / self.kind
        with writing(path):
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def path(self, name: str) -> Path:
        """The record's file."""
        return self.root / f"{check_name(name)}.json"

    def folder(self, name: str) -> Path:
        """The record's own folder (mode 0700), made if it is missing."""
        path = self.root / check_name(name)
        with writing(path):
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, record: R) -> None:
        """Write `record`, replacing what was there."""
        write_atomic(self.path(record.name), record.model_dump_json(indent=1).encode())

    def create(self, record: R) -> None:
        """Write `record` under a name that nobody has; :class:`Conflict` if somebody does."""
        path = self.path(record.name)
        with writing(path):
            if write_first(path, record.model_dump_json(indent=1).encode()):
                return
        raise Conflict(f"name={record.name!r} is in use in {self.kind}; choose another", field="name")

    def read(self, name: str) -> R:
        """The record called `name`.

        Raises
        ------
        NotFound
            There is none.
        PilothouseError
            The file is there but can't be read as a record.
        """
        found = self.find(name)
        if isinstance(found, Unreadable):
            raise PilothouseError(
                f"the record {found.path} can't be read: {found.reason}; mend the file or move it away", field="name"
            )
        if found is None:
            singular = self.kind.removesuffix("s")
            raise NotFound(f"there is no {singular} called {name!r}", field="name")
        return found

    def find(self, name: str) -> R | Unreadable | None:
        """The record called `name` in whatever shape it is, or None."""
        return self._load(self.path(name))

    def __iter__(self) -> Iterator[R | Unreadable]:
        for path in sorted(self.root.glob("*.json")):
            if path.name.startswith("."):
                continue
            found = self._load(path)
            if found is not None:
                yield found

    def _load(self, path: Path) -> R | Unreadable | None:
        try:
            record = self.model.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            return Unreadable(path.stem, path, ": ".join(first_error(error, "the file")))
        except OSError as error:
            return Unreadable(path.stem, path, error.strerror or str(error))
        if record.schema_version > SCHEMA_VERSION:
            return Unreadable(
                path.stem,
                path,
                f"schema_version: {record.schema_version} is of a newer Pilothouse than this one: update",
            )
        if record.name != path.stem or not NAME.fullmatch(path.stem):
            return Unreadable(path.stem, path, f"name: {record.name!r} is not the name that the file gives it")
        return record
