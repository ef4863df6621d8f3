"""The handle of a run: the same from the kernel, the shell and the server, alive or ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pilothouse.errors import Conflict, Failed, Lost, NotFound, PilothouseError, Unavailable
from pilothouse.installed import entry_points
from pilothouse.pictures import mimebundle
from pilothouse.registry.folders import EVENTS, TELEMETRY
from pilothouse.registry.journal import Journal
from pilothouse.registry.line import client as control
from pilothouse.registry.listing import Handles, listed
from pilothouse.registry.liveness import reconcile_run, seen_run
from pilothouse.registry.logs import logs
from pilothouse.registry.naming import remove
from pilothouse.registry.owning import check_same
from pilothouse.registry.records import PILOTS, RUNS, RunRecord, State
from pilothouse.registry.store import Unreadable
from pilothouse.waiting import wait_until, wait_until_awaited

if TYPE_CHECKING:
    import xarray

    from pilothouse.telemetry import Frame  # numpy, which a list of runs does without

#: Seconds between two looks of who waits at how far a run is, and at whether it has ended where nobody says so.
SHOW_S, LOOK_S = 0.5, 0.05


class Run:
    """A run: parameters, telemetry, log, result, end. ``Run(name)`` is the handle that belongs to the run's kind.

    Parameters
    ----------
    name
        Of a run that exists; :func:`pilothouse.attach` is the usual way in.

    Raises
    ------
    NotFound
        No run has that name.
    """

    def __new__(cls, name: str) -> Run:
        """The handle that belongs to the run's kind."""
        record = RUNS.read(name)
        if cls is Run and (own := _handle(record.kind)) is not Run:
            return own.__new__(own, name)
        made = super().__new__(cls)
        made._created = record.created
        return made

    _created: datetime

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return run_of, (self.name, self._created)

    def _read(self) -> RunRecord:
        """The run's record as it is written; :class:`NotFound` once it was removed, whatever has its name then."""
        return check_same(RUNS.read(self.name), self._created)

    @property
    def record(self) -> RunRecord:
        """What is known of the run at this moment.

        Raises
        ------
        NotFound
            The run was removed.
        """
        return seen_run(self._read())

    @property
    def kind(self) -> str:
        """What is run: ``stream``, ``analysis``, ``psa``, ``training`` ..."""
        return self.record.kind

    @property
    def pilot(self) -> str:
        """Name of the pilot on which it runs."""
        return self.record.pilot

    @property
    def state(self) -> State:
        """``starting``, ``running``, ``stopping``, ``finished``, ``failed`` or ``lost``."""
        return self.record.state

    @property
    def reason(self) -> str:
        """Why it is in that state, where there is something to say."""
        return self.record.reason

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was launched with."""
        return self.record.parameters

    @property
    def folder(self) -> Path:
        """The run's own folder: files given at launch, log, telemetry, result."""
        return RUNS.folder(self._read().name)

    def _ask(self, op: str, **arguments: Any) -> tuple[Any, bytes]:
        pilot = PILOTS.read(self._read().pilot)
        if not pilot.answers:
            raise Unavailable(f"the pilot {pilot.name!r} of run {self.name!r} is {pilot.state}")
        return control.call(pilot, op, name=self.name, **arguments)

    def status(self, since: int = 0, wait: float = 0.0) -> tuple[dict[str, Any], Frame]:
        """State, progress and the samples after `since`, after at most `wait` seconds.

        A live run answers itself; of an ended one the files tell.
        """
        from pilothouse.telemetry import Frame, load

        if not self._read().state.ended:
            try:
                status, body = self._ask("frame", since=since, wait=wait)
            except (NotFound, Unavailable):
                pass  # it ended in between, or its supervisor did: the record says which
            else:
                return status, Frame.decode(body)
        record = self.record
        frame = load(self.folder / TELEMETRY).since(since)
        progress = record.progress.model_dump() if record.progress else None
        return {"state": record.state, "progress": progress}, frame

    def frame(self, since: int = 0, wait: float = 0.0) -> Frame:
        """The samples after `since` (everything when that can't be an increment), after at most `wait` seconds."""
        return self.status(since, wait)[1]

    @property
    def telemetry(self) -> xarray.Dataset:
        """All samples: see :func:`pilothouse.telemetry.to_dataset` for the variables."""
        from pilothouse.telemetry import to_dataset

        record = self.record
        attrs = {"run": record.name, "kind": record.kind, "pilot": record.pilot, "state": record.state.value}
        return to_dataset(self.frame(), attrs)

    @property
    def progress(self) -> dict[str, Any] | None:
        """``done``, ``total`` and ``unit``, where the run says so."""
        record = self._read()
        if not record.state.ended:
            with contextlib.suppress(NotFound, Unavailable):
                answer: dict[str, Any] | None = self._ask("status")[0]["progress"]
                return answer
        return record.progress.model_dump() if record.progress else None

    def events(self) -> list[dict[str, Any]]:
        """What happened when and why."""
        return Journal(self.folder / EVENTS).read()

    def logs(self, tail: int = 200) -> str:
        """The last lines of the run's own log and of each of its processes."""
        return logs(self.folder, "run", tail)

    def wait(self, timeout: float | None = None) -> Self:
        """Wait for the run to end. An interrupt ends the wait, not the run.

        Raises
        ------
        WaitTimeout
            It goes on after `timeout` seconds.
        """
        wait_until(
            lambda: self.state.ended, what=self._how_far, goes_on=self._goes_on, timeout=timeout,
            interval=SHOW_S, pause=self._until_over,
        )  # fmt: skip
        return self

    def _until_over(self, seconds: float) -> None:
        """Return when the run is over, or after `seconds`: its supervisor says when, else one has to look."""
        try:
            self._ask("over", wait=seconds)
        except PilothouseError:  # not there yet, or not any more
            time.sleep(min(seconds, LOOK_S))

    @property
    def _goes_on(self) -> str:
        return f"The run {self.name!r} goes on; ph.attach({self.name!r}).stop() ends it."

    def _how_far(self) -> tuple[str, float | None]:
        record = self._read()
        text, fraction = f"{record.name}: {record.state}", None
        progress = self.progress
        if progress:
            fraction = min(progress["done"] / progress["total"], 1.0) if progress["total"] else None
            text += f", {progress['done']:g} of {progress['total']:g} {progress['unit']}"
        if record.reason and not record.state.ended:
            text += f", {record.reason}"
        return text, fraction

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the run's result.

        Raises
        ------
        Failed, Lost
            It did not come to a result; the message says why.
        WaitTimeout
            It goes on after `timeout` seconds.
        """
        record = self.wait(timeout).record
        if record.state is State.FAILED:
            raise Failed(f"the run {self.name!r} failed: {record.reason}")
        if record.state is State.LOST:
            raise Lost(f"the run {self.name!r} was lost: {record.reason}")
        point = next(iter(entry_points(group="pilothouse.runs", name=record.kind)), None)
        if point is None:
            raise NotFound(f"nothing installed can read the result of a run of kind {record.kind!r}", field="kind")
        return point.load().load_result(self.folder)

    def stop(self, timeout: float = 15.0) -> Self:
        """End the run, keeping what it has; returns when it has ended. Stopping an ended run is no error."""
        if not self.state.ended:
            try:
                self._ask("stop")
            except (NotFound, Unavailable):
                if not self.state.ended:
                    raise
            self.wait(timeout)
        return self

    def remove(self) -> None:
        """Remove the run for good, with all that is in its folder: log, telemetry, result, outputs of its tasks.

        Its name can be used again; this handle, and others of this run, find nothing any more. A working folder that
        was given with ``folder=`` stays.

        Raises
        ------
        Conflict
            It goes on.
        """
        record = self.record
        if not record.state.ended:
            raise Conflict(
                f"the run {self.name!r} is {record.state}: end it first, ph.attach({self.name!r}).stop()", field="name"
            )
        remove(RUNS, record)

    def __await__(self) -> Generator[Any, None, Any]:
        """``await run`` is its result, without blocking the kernel's loop. An interrupt ends the wait, not the run."""

        async def result() -> Any:
            import asyncio

            await wait_until_awaited(
                lambda: self.state.ended, what=self._how_far, goes_on=self._goes_on,
                interval=SHOW_S, pause=self._until_over,
            )  # fmt: skip
            return await asyncio.to_thread(self.result)

        return result().__await__()

    def __repr__(self) -> str:
        record = self.record
        reason = f": {record.reason.splitlines()[0]}" if record.reason else ""
        return f"<{type(self).__name__} {record.name!r} ({record.what} on {record.pilot}) {record.state}{reason}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any] | None:
        return mimebundle("run_mimebundle", self, text=repr(self))


def _handle(kind: str) -> type[Run]:
    """The class of handles of a kind of run: its entry point of the group ``pilothouse.handles``, if it has one."""
    for point in entry_points(group="pilothouse.handles", name=kind):
        own: type[Run] = point.load()
        return own
    return Run


def run_of(name: str, created: datetime) -> Run:
    """The handle of the run called `name` that was launched at `created`.

    Raises
    ------
    NotFound
        That one was removed.
    """
    run = Run(name)
    run._created = created  # noqa: SLF001 - the class above
    run._read()  # noqa: SLF001 - the class above; raises here what was removed
    return run


def runs() -> Handles[Run]:
    """The user's runs, the latest first, ended ones too.

    Records that can't be read are in the list's ``unreadable``, and shown with it.
    """
    found = [record if isinstance(record, Unreadable) else reconcile_run(record) for record in RUNS]
    return listed(found, Run)
