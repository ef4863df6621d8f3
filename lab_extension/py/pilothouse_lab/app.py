"""The server extension: it adds routes and events to the Jupyter server, and owns nothing.

Pilots belong to their supervisors, so nothing is lost when the server goes. It costs start-up time that every
user of the server pays: the library's heavier parts are imported by the first request.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from pilothouse.registry.dashboard_link import SERVER
from pilothouse_lab.routes import routes
from pilothouse_lab.watch import EVENTS, RecordWatch

HERE = Path(__file__).parent


class PilothouseLab(ExtensionApp):
    """REST, events and telemetry sockets below ``<base_url>/pilothouse/api/v1``; dashboards beside them."""

    name = "pilothouse_lab"
    description = "Pilots, runs and the training market beside your notebooks"

    watch: RecordWatch | None = None

    def initialize_handlers(self) -> None:
        """Add the routes, and tell the server's kernels where they are: they inherit its environment."""
        self.handlers.extend(routes())
        os.environ[SERVER] = self.settings["base_url"]

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        events = serverapp.event_logger
        for schema in EVENTS.values():
            events.register_event_schema(HERE / "events" / schema.file)
        self.watch = RecordWatch(lambda event, data: events.emit(schema_id=EVENTS[event].id, data=data), self.log)
        self.watch.start()

    async def stop_extension(self) -> None:
        """End the watch over the records."""
        if self.watch is not None:
            await self.watch.stop()
