"""Records: one small JSON file each, and no database, for home folders are on NFS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pilothouse.errors import Conflict, NotFound, PilothouseError
from pilothouse.state import NAME, check_name, first_error, home, write_atomic, write_first, writing

#: The newest shape of records that this version can read.
SCHEMA_VERSION = 1


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
