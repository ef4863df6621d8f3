"""The handle of an executable on a pilot, or of thousands."""

from __future__ import annotations

import contextlib
import functools
import secrets
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.errors import Conflict, Failed, InvalidInput
from pilothouse.registry.logs import tail as last_lines
from pilothouse.registry.records import PILOTS, State
from pilothouse.runs.handle import Run, run_of
from pilothouse.runs.launch import answering, launch
from pilothouse.tasks.ends import Ends
from pilothouse.tasks.launching import launch_tasks

if TYPE_CHECKING:
    import xarray
    from distributed import Client, Future

    from pilothouse.tasks.file_ref import FileRef


class Task(Run):
    """An executable on a pilot's nodes (``pilot.execute``), or many of them (``pilot.map_execute``).

    It is a run: it has a state, progress, a log, telemetry and history, can be stopped, awaited and found again
    with ``ph.attach(name)``.

    Parameters
    ----------
    name
        Of a run of the kind ``tasks``.
    """

    #: What lies in its folder beside the specification before it starts.
    _files: tuple[str, ...] = ()
    _future: Future | None = None

    @property
    def _specification(self) -> dict[str, Any]:
        from pilothouse.tasks.places import read_specification

        return read_specification(self.folder)

    @property
    def many(self) -> bool:
        """Whether it is many tasks."""
        return bool(self._specification["many"])

    @property
    def work(self) -> Path:
        """The working folder; of many tasks, the folder that has one for each (``00000``, ``00001`` ...)."""
        return Path(self._specification["work"])

    @property
    def exit_code(self) -> int | None:
        """What the executable returned (negative: the signal that ended it); None while there is nothing to tell.

        An executable that was not found has 127, as in a shell. See :attr:`tasks` for those of many.
        """
        return self._end(None).get("code")

    @property
    def outputs(self) -> dict[str, Path]:
        """The output files by name, also before they are there; what matches a pattern, by now. Not for many tasks."""
        return self.outputs_of(self._only(None))

    def outputs_of(self, task: int) -> dict[str, Path]:
        """As :attr:`outputs`, of one of many tasks."""
        from pilothouse.tasks.table import outputs

        return outputs(self.folder, self._only(task))

    def ref(self, name: str, task: int | None = None) -> FileRef:
        """A reference to an output file, also before it is there; `task` is the number of one of many.

        ``inputs=`` of another task take it, and wait for this one; so does a Dask function, which has the file's
        ``path()``, a ``view()`` of it or its content (``get()``).

        Raises
        ------
        InvalidInput
            It is none of the task's `outputs`.

        Examples
        --------
        >>> analyse = pilot.execute(["./analyse", "traj.dcd"],
        ...                         inputs=["analyse", simulate.ref("traj.dcd")])  # doctest: +SKIP
        """
        from pilothouse.tasks.file_ref import FileRef
        from pilothouse.tasks.places import names
        from pilothouse.tasks.table import places

        number, specification = self._only(task), self._specification
        outputs = specification["tasks"][number]["outputs"]
        if not any(names(output, name) for output in outputs):
            known = ", ".join(map(repr, outputs)) or "none"
            raise InvalidInput(
                f"name={name!r} is not a file of the outputs of {self.name!r}; these are {known}", field="name"
            )
        file = places(self.folder, specification).working(number) / name
        return FileRef(file=str(file), run=self.name, created=self._created.isoformat(), task=number)

    def stdout(self, tail: int = 200, task: int | None = None) -> str:
        """The last lines that the executable printed, so far; `task` is the number of one of many."""
        return self._printed("stdout", tail, task)

    def stderr(self, tail: int = 200, task: int | None = None) -> str:
        """The last lines that the executable wrote to standard error, so far; `task` is the number of one of many."""
        return self._printed("stderr", tail, task)

    @property
    def tasks(self) -> xarray.Dataset:
        """All tasks, over the dimension ``task``.

        ``state`` (waiting, finished or failed), ``exit_code`` (-1000 where there is none), ``seconds``, ``node``,
        ``attempts``, ``error``, ``command``; the parameters of a template are coordinates.
        """
        from pilothouse.tasks.table import table

        return table(self.folder)

    @property
    def failed(self) -> list[int]:
        """Numbers of the tasks that have failed so far."""
        return sorted(number for number, end in Ends(self.folder).read().items() if end["error"])

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end.

        Returns
        -------
        dict or xarray.Dataset
            The output files by name; of many tasks :attr:`tasks`, also when some have failed (:attr:`failed`).

        Raises
        ------
        Failed, Lost
            It did not end well: with the command, the exit code and the last lines of its standard error. Of many
            tasks: not all came to an end.
        WaitTimeout
            It goes on after `timeout` seconds.
        """
        record = self.wait(timeout).record
        complete = len(Ends(self.folder).read()) == len(self._specification["tasks"])
        if self.many and complete:
            return self.tasks
        if record.state is State.FINISHED and not complete:
            raise Failed(f"the run {self.name!r} was stopped")
        return super().result()

    def retry(self, name: str | None = None) -> Task:
        """Launch those that failed or never ran once more, as a new run on the same pilot.

        Raises
        ------
        Conflict
            The run goes on, or nothing of it failed.
        """
        if not self.state.ended:
            raise Conflict(f"the run {self.name!r} goes on: retry it when it has ended", field="name")
        specification = self._specification
        well = {number for number, end in Ends(self.folder).read().items() if not end["error"]}
        tasks = [task for number, task in enumerate(specification["tasks"]) if number not in well]
        if not tasks:
            raise Conflict(f"all tasks of the run {self.name!r} ended well: there is nothing to retry", field="name")
        folder = None if self.work.is_relative_to(self.folder) else specification["work"]
        again = {**specification, "tasks": tasks, "after": [], "holder": ""}
        task: Task = launch_tasks(
            functools.partial(launch, PILOTS.read(self.pilot)), again, folder, name, "number",
            kind=self.kind, files={file: (self.folder / file).read_bytes() for file in self._files},
        )  # fmt: skip
        return task

    def future(self, client: Client | None = None) -> Future:
        """A Dask future with :meth:`result`, for Dask functions to depend on; it holds up no thread of a worker.

        Parameters
        ----------
        client
            Of the pilot; what ``pilot.client()`` gave last, or a new one, when left out. The future can be given to
            functions of the pilot's other clients, too; not one of an asynchronous client, before it is known there.
        """
        from pilothouse.tasks.predecessors import known

        client = client or self._client()
        key = f"pilothouse-{self.name}-{secrets.token_hex(4)}"
        self._future = client.submit(result_of, self.name, self._created.isoformat(), key=key, pure=False)
        if not client.asynchronous:  # what another client submits could come before it, and fail
            client.run_on_scheduler(known, [key])
        return self._future  # held here too: Dask may drop one that is only an argument before it knows what follows

    def _client(self) -> Client:
        from distributed import default_client

        from pilothouse.runs.dask import client_of

        own = PILOTS.read(self.pilot)
        pilot = answering(own.name, own.created)
        with contextlib.suppress(ValueError):  # there is none
            client: Client = default_client()
            if client.scheduler.address == pilot.scheduler:
                return client
        return client_of(pilot)

    def _only(self, task: int | None) -> int:
        number = len(self._specification["tasks"])
        if task is None:
            if self.many:
                raise InvalidInput(
                    f"the run {self.name!r} is {number} tasks: say which, task=0 to {number - 1}", field="task"
                )
            return 0
        if isinstance(task, bool) or not isinstance(task, int) or not 0 <= task < number:
            raise InvalidInput(f"task={task!r}: a number from 0 to {number - 1}", field="task")
        return task

    def _end(self, task: int | None) -> dict[str, Any]:
        return Ends(self.folder).read().get(self._only(task), {})

    def _printed(self, stream: str, lines: int, task: int | None) -> str:
        from pilothouse.tasks.table import places

        if isinstance(lines, bool) or not isinstance(lines, int) or lines < 1:
            raise InvalidInput(f"tail={lines!r}: a number of lines, 1 or more", field="tail")
        return last_lines(places(self.folder, self._specification).printed(self._only(task), stream), lines)


def result_of(name: str, created: str) -> Any:
    """On a worker: wait for the run called `name` outside of the worker's threads; its result."""
    from pilothouse.tasks.file_ref import give_way

    give_way()
    task = run_of(name, datetime.fromisoformat(created))
    while not task.state.ended:
        time.sleep(0.1)
    return task.result()
