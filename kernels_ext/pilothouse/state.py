"""The user's state folder, and how files of it are written: whole or not at all.

Home folders are on NFS, so there are no locks: what is new is written to a temporary name, flushed to disk and renamed
over what was there. A crash at any byte leaves the old.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pilothouse.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from pydantic import ValidationError  # what a node does without

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


def write_atomic(path: Path, data: bytes | Sequence[memoryview]) -> None:
    """Replace `path` by `data` (mode 0600) so that a reader or a crash sees the old or the new, whole.

    Pieces are written one after the other from where they lie.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
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


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """An error of the system while `path` is written is :class:`Unavailable`, and says how to mend it."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the state folder can't be written: {path}: {error.strerror}; mend that, or set PILOTHOUSE_HOME to another"
        ) from None
