"""Engines, and services on pilots."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from pilothouse_lab.answers import Answer, in_thread, within, worded
from pilothouse_lab.records import as_json

if TYPE_CHECKING:
    from pilothouse.engines.service import Service


class Engines(Answer):
    """Frameworks that run on pilots."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The engines that are installed, what each needs, and whether that is on this host."""

        def find() -> dict[str, Any]:
            from pilothouse.engines import engines

            return {"items": [asdict(each) for each in engines()]}

        self.answer(await in_thread(find))


class ServiceSchema(Answer):
    """What may be said of a new service."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The JSON Schema from which the form is made, with the settings of ``engine``: by default the first one's.

        With ``pilot``, of the engines that its site lets it start.
        """
        engine = self.get_query_argument("engine", None)
        pilot = self.get_query_argument("pilot", None)

        def find() -> dict[str, Any]:
            from pilothouse.engines.form import form_schema
            from pilothouse.engines.loading import names
            from pilothouse.errors import Unavailable
            from pilothouse.pilots import Pilot

            allowed = None if pilot is None else Pilot(pilot).record.settings.get("engines")
            there = [name for name in names() if allowed is None or name in allowed]
            if engine is None and not there:
                whose = "its site lets the pilot start none" if names() else "none are installed"
                raise Unavailable(f"there are no engines: {whose}", field="engine")
            return form_schema(there[0] if engine is None else engine, allowed)

        self.answer(await in_thread(find))


class PilotStart(Answer):
    """A service on a pilot."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Start ``{"engine": "kafka", "nodes": 1, "name": …, …settings}``: 202 and its record; it goes on starting."""
        body = self.body()
        engine = worded(body.pop("engine", None), "engine")

        def start() -> dict[str, Any]:
            from pilothouse.pilots import Pilot

            return as_json(Pilot(name).start(engine, **body).record)

        self.answer(await in_thread(start), 202)


class Services(Answer):
    """The services that go on, with their latest figures."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Where they are, on which nodes, and their members' latest figures; no secrets."""

        def find() -> dict[str, Any]:
            from pilothouse.engines.service import Service
            from pilothouse.engines.shown import shown
            from pilothouse.errors import NotFound
            from pilothouse.registry.records import RUNS, SERVICE, RunRecord

            there = [run for run in RUNS if isinstance(run, RunRecord) and run.kind == SERVICE and not run.state.ended]
            items = []
            for run in sorted(there, key=lambda run: run.created, reverse=True):
                try:
                    items.append(shown(Service(run.name)).model_dump(mode="json"))
                except NotFound:  # it was removed a moment ago
                    continue
            return {"items": items}

        self.answer(await in_thread(find))


class ServiceExtend(Answer):
    """A service on more nodes."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Have it on ``{"nodes": 1}`` more of its pilot's nodes: 202 and its record."""
        await _resize(self, name, "extend")


class ServiceShrink(Answer):
    """A service on fewer nodes."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Take it from ``{"nodes": 1}`` nodes, once what it has there has moved: 202 and its record."""
        await _resize(self, name, "shrink")


async def _resize(handler: Answer, name: str, verb: str) -> None:
    nodes = within(handler.body("nodes").get("nodes", 1), "nodes")

    def resize() -> dict[str, Any]:
        service = find_service(name)
        getattr(service, verb)(nodes)
        return as_json(service.record)

    handler.answer(await in_thread(resize), 202)


def find_service(name: str) -> Service:
    """The service of that name; :class:`InvalidInput` where it is another kind of run."""
    from pilothouse.engines.service import Service
    from pilothouse.errors import InvalidInput
    from pilothouse_lab.runs import find_run

    found = find_run(name)
    if not isinstance(found, Service):
        raise InvalidInput(f"name={name!r}: a run of kind {found.kind} has no nodes of its own", field="name")
    return found
