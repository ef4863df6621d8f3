"""An HTTP server on a loopback port, in a thread of its own: what blob server and embedded relay stand on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

from pilothouse.errors import Unavailable

HOST = "127.0.0.1"
#: Seconds to start, and to end.
START_S = 10.0
END_S = 5.0
#: Bytes of a request's body, which is read before its route is asked; a route that reads a stream may take more.
MOST_BODY = 65_536


class LoopbackServer:
    """Serves `routes` from its making until :meth:`close`.

    Every account of the host can connect to a loopback port: the routes ask each request whose it is.

    Parameters
    ----------
    what
        It is called in errors.
    routes
        As tornado's ``Application`` takes them.
    port
        Another one than a free one.
    settings
        Of the ``Application``.

    Raises
    ------
    Unavailable
        The port is taken, or the server did not start.
    """

    def __init__(self, what: str, routes: list[Any], port: int, **settings: Any) -> None:
        self.port = 0
        self._routes = routes
        self._settings = settings
        self._wanted = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=f"pilothouse-{what}")
        self._thread.daemon = True
        self._thread.start()
        if not self._ready.wait(START_S):
            raise Unavailable(f"the {what} did not start within {START_S:g} s")
        if not self.port:
            raise Unavailable(f"the {what} can't listen on port {port}: it is taken", field="port")

    async def _serve(self) -> None:
        from tornado.httpserver import HTTPServer
        from tornado.web import Application

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = Application(self._routes, log_function=lambda _: None, **self._settings)
        http = HTTPServer(application, max_body_size=MOST_BODY)
        try:
            listener = socket.create_server((HOST, self._wanted))
        except OSError:
            self._ready.set()
            return
        listener.setblocking(False)
        http.add_socket(listener)
        self.port = listener.getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        http.stop()
        self.hang_up()
        await http.close_all_connections()

    def hang_up(self) -> None:
        """Close what outlives its request; called in the server's thread at its end."""

    def close(self) -> None:
        """End the server. Closing twice is no error."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(END_S)
