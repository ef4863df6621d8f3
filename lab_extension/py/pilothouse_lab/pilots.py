"""Sites and pilots."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from pilothouse_lab.answers import Answer, in_thread, within, worded
from pilothouse_lab.records import as_json, listed, removed

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.pilots.previewing import JobPreview


class Sites(Answer):
    """Where pilots can be had."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The sites with their limits, and what of site files can't be used."""

        def find() -> dict[str, Any]:
            from pilothouse.pilots.queues.discovery import sites

            found = sites()
            return {
                "items": [site.model_dump(mode="json") for site in found],
                "unreadable": [
                    {"name": each.name, "path": str(each.path), "reason": each.reason} for each in found.unreadable
                ],
            }

        self.answer(await in_thread(find))


class PilotSchema(Answer):
    """What a pilot's description may say."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The JSON Schema from which the form is made; with ``site``, as narrow as that site is."""
        site = self.get_query_argument("site", None)

        def find() -> dict[str, Any]:
            from pilothouse.pilots.queues.discovery import site_named
            from pilothouse.pilots.sites.description import PilotDescription
            from pilothouse.pilots.sites.schema import form_schema

            return PilotDescription.model_json_schema() if site is None else form_schema(site_named(site))

        self.answer(await in_thread(find))


class PilotPreview(Answer):
    """A pilot before it is submitted."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Of each kind of node the job script and its expected start; nothing is submitted."""
        body = self.body()

        def look() -> dict[str, Any]:
            from pilothouse.pilots import preview

            found = preview(**body)
            return {"site": found.site, "items": [_shown(job) for job in found.jobs]}

        self.answer(await in_thread(look))


class Pilots(Answer):
    """All pilots of the user."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The pilots, whichever process started them."""

        def find() -> dict[str, Any]:
            from pilothouse.registry.liveness import reconcile
            from pilothouse.registry.records import PILOTS

            return listed(PILOTS, reconcile)

        self.answer(await in_thread(find))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Start a pilot: 202 and its record; it goes on starting."""
        body = self.body()

        def start() -> dict[str, Any]:
            from pilothouse.pilots import submit
            from pilothouse.pilots.queues.discovery import asked_for

            asked_for(body)  # names that submit() does not have, too
            return as_json(submit(**body).record)

        self.answer(await in_thread(start), 202)


class OnePilot(Answer):
    """One pilot."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """The pilot's record."""
        self.answer(await in_thread(lambda: as_json(_pilot(name).record)))

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """Cancel the pilot with its nodes and runs: 202 and its record."""

        def cancel() -> dict[str, Any]:
            from pilothouse.errors import WaitTimeout

            pilot = _pilot(name)
            with contextlib.suppress(WaitTimeout):  # it is ending: the records will tell when it has
                pilot.cancel(timeout=0)
            return as_json(pilot.record)

        self.answer(await in_thread(cancel), 202)


class PilotRemove(Answer):
    """A pilot for good."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Remove the ended pilot, the one that was ``{"created": …}``: 200 and its record as it last was."""
        self.answer(await in_thread(removed, _pilot, name, self.body("created")))


class PilotExtend(Answer):
    """More nodes."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Add ``{"nodes": 1, "kind": "node"}``, without a number one or those of one job: 202 and the record."""
        await _resize(self, name, "extend")


class PilotShrink(Answer):
    """Fewer nodes."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Take ``{"nodes": 1, "kind": "node"}`` (as for more nodes) away: 202 and the record."""
        await _resize(self, name, "shrink")


class PilotRenew(Answer):
    """New nodes for old ones."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Replace the nodes before their walltime is over, one after the other: 202 and the record."""
        self.answer(await in_thread(lambda: as_json(_pilot(name).renew().record)), 202)


class PilotProlong(Answer):
    """A longer lease."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Have the lease end later by ``{"lease": "2h"}``: 202 and the record."""
        lease = self.body("lease").get("lease", "")
        self.answer(await in_thread(lambda: as_json(_pilot(name).prolong(lease).record)), 202)


class PilotAdapt(Answer):
    """As many nodes as there is work for."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Follow the load between ``{"minimum": 0, "maximum": 4}`` nodes: 202 and the record."""
        body = self.body("minimum", "maximum")
        minimum = within(body.get("minimum", 0), "minimum", 0)
        maximum = within(body.get("maximum", 4), "maximum")
        self.answer(await in_thread(lambda: as_json(_pilot(name).adapt(minimum, maximum).record)), 202)

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """Follow the load no more: 202 and the record; the pilot keeps the nodes that it has."""

        def stop() -> dict[str, Any]:
            pilot = _pilot(name)
            if pilot.record.adapt is not None:
                pilot.scale()
            return as_json(pilot.record)

        self.answer(await in_thread(stop), 202)


class PilotRecover(Answer):
    """A new supervisor."""

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """Go on with a lost pilot: 202 and the record."""
        self.answer(await in_thread(lambda: as_json(_pilot(name).recover().record)), 202)


class PilotTimeline(Answer):
    """What nodes and runs did when, and what that cost."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """``figure`` for BokehJS, the same in letters as ``text``, and ``cost`` in hours."""
        width = self.integer("width", 900, least=300, most=4000)

        def draw() -> dict[str, Any]:
            from bokeh.embed import json_item

            pilot = _pilot(name)
            drawn = pilot.timeline()
            return {"figure": json_item(drawn.figure(width=width)), "text": drawn.text(), "cost": pilot.cost()}

        self.answer(await in_thread(draw))


class Sweep(Answer):
    """Jobs of the user that no pilot wants any more."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them."""
        self.answer(await in_thread(_sweep, end=False))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """End them, and list what was ended."""
        self.answer(await in_thread(_sweep, end=True))


class PilotLogs(Answer):
    """What a pilot's processes wrote."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """The last ``tail`` lines, of all or of one ``node``."""
        tail = self.integer("tail", 200)
        node = self.get_query_argument("node", None)
        self.answer({"text": await in_thread(lambda: _pilot(name).logs(node, tail=tail))})


def _sweep(*, end: bool) -> dict[str, Any]:
    from pilothouse.pilots.supervisor.orphans import sweep_sites

    found, unseen = sweep_sites(end=end)
    return {"items": [asdict(orphan) for orphan in found], "unseen": unseen}


def _shown(job: JobPreview) -> dict[str, Any]:
    start = job.expected_start
    return {**asdict(job), "expected_start": None if start is None else start.isoformat()}


async def _resize(handler: Answer, name: str, verb: str) -> None:
    body = handler.body("nodes", "kind")
    nodes = within(body["nodes"], "nodes") if "nodes" in body else None
    kind = {"kind": worded(body["kind"], "kind")} if "kind" in body else {}

    def resize() -> dict[str, Any]:
        pilot = _pilot(name)
        getattr(pilot, verb)(nodes, **kind)
        return as_json(pilot.record)

    handler.answer(await in_thread(resize), 202)


def _pilot(name: str) -> Pilot:
    from pilothouse.pilots import Pilot

    return Pilot(name)
