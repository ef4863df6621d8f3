"""Dask's pages without a port: they are loaded when somebody looks, and reached through the supervisor's own line.

Dask serves them to whoever opens its port. Here no Dask process has one: a connection to the pages is one end of a
socket pair, which only those get whom the supervisor has let in.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
from typing import Any

import dask
import distributed
from distributed.http.routing import RoutingApplication
from distributed.http.utils import get_handlers
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from pilothouse.errors import Unavailable
from pilothouse.pilots.node.cut_short import Lasting
from pilothouse.pilots.node.exits import Blaming, Guarding
from pilothouse.pilots.node.unhurried import Unhurried
from pilothouse.runs.news import Telling

#: Dask's routes beside the plots. Not among them: its proxy to other ports, and what changes something.
ROUTES = [
    "distributed.http.scheduler.info",
    "distributed.http.scheduler.json",
    "distributed.http.health",
    "distributed.http.statics",
]

#: How Bokeh serves. Web pages of strangers may not open its sockets in the user's browser: what comes through Jupyter
#: has no origin any more (it was checked there), the others are of ``ssh -L 8787:...``. Idle, it hardly looks around.
SERVER = {
    "allow_websocket_origin": ["localhost:8787", "127.0.0.1:8787"],
    "keep_alive_milliseconds": 10_000,
    "check_unused_sessions_milliseconds": 10_000,
}


class _Portless:
    """A Dask process whose HTTP server listens nowhere."""

    def start_http_server(self, routes: list[Any], *_: Any, **__: Any) -> None:
        """Make it, in place of :meth:`distributed.node.ServerNode.start_http_server`."""
        self.http_application = RoutingApplication(routes)
        self.http_server = HTTPServer(self.http_application)


class Scheduler(_Portless, Telling, Blaming, Lasting, Unhurried, distributed.Scheduler):  # type: ignore[misc]
    """A scheduler without a port for pages, which tries nothing again that ended a node, or that no node lasts for."""


class Worker(_Portless, Guarding, distributed.Worker):  # type: ignore[misc]
    """A worker without a port for pages, which no ``sys.exit`` of a task ends."""


class Dashboard:
    """The pages of one scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._loading = asyncio.Lock()
        self._loaded = False

    async def connect(self) -> socket.socket:
        """One end of a new connection to the pages, which speak HTTP at the other.

        Raises
        ------
        Unavailable
            The installed Bokeh is none that Dask can use.
        """
        async with self._loading:
            if not self._loaded:
                await self._load()
                self._loaded = True
        end, other = socket.socketpair()
        self._scheduler.http_server.handle_stream(IOStream(other), ())
        return end

    async def _load(self) -> None:
        """Once, for the first who asks: the import (Bokeh) takes longer than all the rest of a supervisor's start."""
        try:
            pages = await asyncio.to_thread(importlib.import_module, "distributed.dashboard.scheduler")
        except ImportError as error:
            raise Unavailable(f"Dask's dashboard can't be had: {error}") from None
        scheduler = self._scheduler
        scheduler.http_server.port = 0  # type: ignore[attr-defined]
        dask.config.set({"distributed.scheduler.dashboard.bokeh-application": SERVER})
        routes = get_handlers(server=scheduler, modules=ROUTES, prefix="/")
        scheduler.http_application.add_handlers(r".*$", routes)
        pages.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix="/")
