"""Dask's dashboard of a pilot, and the own pages of a service's framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pilothouse_lab.pages import PATIENCE, Opened, Pages

if TYPE_CHECKING:
    import socket

    from pilothouse.registry.records import RunRecord


class Dashboard(Pages):
    """Dask's pages, which are the supervisor's own."""

    below: ClassVar[tuple[str, str]] = ("pilothouse/pilots", "dashboard")
    first: ClassVar[str] = "status"

    def open(self, name: str) -> Opened:
        """Connect to those of the pilot called `name`."""
        return Opened(_connect(name))


class ServicePages(Pages):
    """The pages of a service, on one of its pilot's nodes: the supervisor connects to that."""

    below: ClassVar[tuple[str, str]] = ("pilothouse/services", "dashboard")

    def open(self, name: str) -> Opened:
        """Connect to those of the service called `name`, with what its secrets are for."""
        from pilothouse.engines.loading import engine
        from pilothouse_lab.runs import find_service

        service = find_service(name)
        what = engine(service.engine)
        headers = what.admission(service.secrets)
        return Opened(_connect_service(service.record), headers, what.pages_root)


#: Path of each route, relative to the server's base URL.
PATHS = {rf"/{'/([^/]+)/'.join(each.below)}(?:/(.*))?": each for each in (Dashboard, ServicePages)}


def _connect(name: str) -> socket.socket:
    """A new connection to the dashboard of the pilot called `name`."""
    from pilothouse.errors import Conflict
    from pilothouse.pilots import Pilot
    from pilothouse.registry.line import client as control

    record = Pilot(name).record
    if record.state.ended:
        raise Conflict(f"the pilot {name!r} is {record.state}: its dashboard has gone with it", field="pilot")
    return control.connect(record, "dashboard", PATIENCE)


def _connect_service(record: RunRecord) -> socket.socket:
    """A new connection to the pages of a service."""
    from pilothouse.errors import Conflict
    from pilothouse.registry.line import client as control
    from pilothouse.registry.records import PILOTS

    if record.state.ended:
        raise Conflict(f"the service {record.name!r} is {record.state}: its pages have gone with it", field="name")
    return control.connect(PILOTS.read(record.pilot), "pages", PATIENCE, name=record.name)
