"""Runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from pilothouse_lab.answers import Answer, in_thread
from pilothouse_lab.records import as_json, listed, removed

if TYPE_CHECKING:
    from pilothouse.engines.service import Service
    from pilothouse.runs.handle import Run


class Runs(Answer):
    """All runs of the user."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The runs, ended ones too."""

        def find() -> dict[str, Any]:
            from pilothouse.registry.liveness import reconcile_run
            from pilothouse.registry.records import RUNS

            return listed(RUNS, reconcile_run)

        self.answer(await in_thread(find))


class OneRun(Answer):
    """One run."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """The run's record."""
        self.answer(await in_thread(lambda: as_json(find_run(name).record)))


class RunStop(Answer):
    """The end of a run, on request."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Stop the run: 202 and its record; it keeps what it has done."""

        def stop() -> dict[str, Any]:
            from pilothouse.errors import WaitTimeout

            run = find_run(name)
            with contextlib.suppress(WaitTimeout):  # it is stopping: the records will tell when it has
                run.stop(timeout=0)
            return as_json(run.record)

        self.answer(await in_thread(stop), 202)


class RunRemove(Answer):
    """A run for good."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Remove the ended run, the one that was ``{"created": …}``: 200 and its record as it last was."""
        self.answer(await in_thread(removed, find_run, name, self.body("created")))


class RunLogs(Answer):
    """What a run's processes wrote."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """The last ``tail`` lines of each process; with ``node``, of a service's that are, or were, on that node."""
        tail = self.integer("tail", 200)
        node = self.get_query_argument("node", None)

        def read() -> str:
            return find_run(name).logs(tail=tail) if node is None else find_service(name).logs(node, tail)

        self.answer({"text": await in_thread(read)})


def find_run(name: str) -> Run:
    """The user's run called `name`; :class:`NotFound` when there is none."""
    from pilothouse.runs.handle import Run

    return Run(name)


def find_service(name: str) -> Service:
    """The user's service called `name`; :class:`InvalidInput` when it is another kind of run."""
    from pilothouse.engines.service import Service
    from pilothouse.errors import InvalidInput

    found = find_run(name)
    if not isinstance(found, Service):
        raise InvalidInput(f"name={name!r}: a run of kind {found.kind} has no nodes of its own", field="name")
    return found
