"""Where a supervisor can be asked: Unix sockets on its host, TLS beyond it; made again where they have gone."""

from __future__ import annotations

import logging
import secrets
import socket
from typing import TYPE_CHECKING, Any

from pilothouse.errors import PilothouseError
from pilothouse.pilots.sites.interfaces import supervisor_address
from pilothouse.pilots.supervisor.operations import Requests
from pilothouse.registry.folders import TOKEN
from pilothouse.registry.line import client as control
from pilothouse.registry.line import server as answering
from pilothouse.registry.records import UNIX
from pilothouse.state import write_atomic

if TYPE_CHECKING:
    from pilothouse.pilots.supervisor.owner import Supervisor

logger = logging.getLogger(__name__)


class Listening:
    """The lines of one supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._record = supervisor.record
        self._answers = Requests(supervisor).answers
        self._beyond: list[Any] = []
        self._here: list[Any] = []
        self._said = ""

    @property
    def address(self) -> str:
        """The address of this host that nodes and other login nodes can reach."""
        return supervisor_address(self._supervisor.site, in_job=self._supervisor.first is not None)

    async def open(self, tls: dict[str, str]) -> None:
        """Listen on a Unix socket, except in a job; beyond this host for all sites that have other hosts."""
        record, site = self._record, self._supervisor.site
        if site.system != "local":
            token = secrets.token_urlsafe(32)
            write_atomic(self._supervisor.folder / TOKEN, token.encode())
            server, record.control = await answering.serve_tls(self.address, tls, token, self._answers)
            self._beyond.append(server)
            if site.dashboard:
                record.dashboard = record.control
        if self._supervisor.first is None:
            try:
                await self._open_here()
            except (PilothouseError, OSError) as error:
                if not record.control:
                    raise
                self._say(str(error))

    async def _open_here(self) -> None:
        record = self._record
        assert record.supervisor is not None  # noqa: S101  # this process
        name, number = record.name, record.supervisor.pid
        path = control.socket_path(f"{name}-{number}.sock")
        self._here.append(await answering.serve(path, self._answers))
        record.socket = str(path)
        if self._supervisor.site.dashboard:
            path = control.socket_path(f"{name}-dask-{number}.sock")
            self._here.append(await answering.forward(path, self._pages))
            record.dashboard = f"{UNIX}{path}"

    async def _pages(self) -> socket.socket:
        await self._supervisor.ready.wait()
        connection: socket.socket = await self._supervisor.dashboard.connect()
        return connection

    async def keep(self) -> None:
        """Make the sockets again when they have gone, as with the folder that systems remove when its user logs out."""
        sockets = self._record.sockets
        if not sockets or all(path.exists() for path in sockets):
            return
        self._close(self._here)
        try:
            await self._open_here()
        except (PilothouseError, OSError) as error:
            self._say(str(error))
            return
        self._supervisor.journal.add("sockets made again", folder=str(self._record.sockets[0].parent))
        self._supervisor.changed()

    def _say(self, trouble: str) -> None:
        if trouble != self._said:
            self._said = trouble
            self._supervisor.journal.add("no socket on this host", reason=trouble)
            logger.warning("no socket on this host: %s", trouble)

    def close(self) -> None:
        """Nobody is heard any more."""
        self._close(self._beyond)
        self._close(self._here)
        for path in self._record.sockets:
            path.unlink(missing_ok=True)

    @staticmethod
    def _close(servers: list[Any]) -> None:
        while servers:
            servers.pop().close()
