"""A reference to a file that a task leaves: had before the file is there, and good on every node."""

from __future__ import annotations

import mmap
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pilothouse.errors import Failed, InvalidInput, NotFound
from pilothouse.runs.handle import run_of
from pilothouse.state import first_error
from pilothouse.tasks.ends import Ends
from pilothouse.tasks.predecessors import why_not


def _moment(text: str) -> str:
    datetime.fromisoformat(text)  # or it says what is wrong
    return text


class FileRef(BaseModel):
    """A reference to a file that a task leaves: :meth:`Task.ref` makes it.

    It travels as JSON or pickle to any process of the user that sees the file system of the run. The file is not
    copied anywhere: it stays in the task's working folder, and in the memory of the node that wrote it as long as
    the system keeps it there. As one of the ``inputs`` of a task, it makes that task wait for this one; every other
    use waits by itself. It can be given to what takes a path (``open``, ``numpy.load``).

    Attributes
    ----------
    file
        Where it is, or will be.
    run, created
        The run that leaves it, and when that was launched (ISO 8601).
    task
        Its number among many tasks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    run: str
    created: Annotated[str, AfterValidator(_moment)]
    task: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def from_json(cls, text: str | bytes) -> FileRef:
        """The reference that ``ref.model_dump_json()`` wrote.

        Raises
        ------
        InvalidInput
            `text` is not one; names the field.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            field, message = first_error(error, "ref")
            raise InvalidInput(f"this is not a reference: {field}: {message}", field=field) from None

    def path(self) -> Path:
        """Wait for the task to end; where the file is. In a Dask function, no thread of the worker is held up.

        Raises
        ------
        Failed
            The task did not end well, or did not leave the file.
        NotFound
            The run, or the file, was removed.
        """
        run = run_of(self.run, datetime.fromisoformat(self.created))
        if self.task not in Ends(run.folder).read() and not run.state.ended:
            give_way()
            run.wait()
        record = run.record
        if why := why_not(record, [self.task]):
            raise Failed(f"{self.file}: the run {self.run!r} that was to leave it {why}")
        path = Path(self.file)
        if not path.exists():
            raise NotFound(f"{self.file}, which the run {self.run!r} left, is not there any more", field="ref")
        return path

    def get(self) -> bytes:
        """The content, yours to keep; waits for the task, and raises what :meth:`path` raises."""
        return self.path().read_bytes()

    def view(self) -> memoryview:
        """The content, read-only and mapped: only what is touched is read. Waits and raises as :meth:`path`."""
        with self.path().open("rb") as file:
            size = file.seek(0, 2)
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)) if size else memoryview(b"")

    def __fspath__(self) -> str:
        return str(self.path())

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        return (self.run, self.created, self.file)


def give_way() -> None:
    """In a Dask function that is about to wait: leave the worker's threads, so that others have them."""
    pool = sys.modules.get("distributed.threadpoolexecutor")
    if pool and getattr(pool.thread_state, "proceed", False):  # in such a thread, and still one of the pool's
        from distributed import secede

        secede()
