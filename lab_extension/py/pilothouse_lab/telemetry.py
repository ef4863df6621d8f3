"""A run's telemetry over a websocket, live from its supervisor or, when it has ended, from disk.

Binary messages are :meth:`pilothouse.telemetry.Frame.encode`: first everything after ``since`` (even when that is
nothing), then increments. Text messages are the run's record as JSON, sent at first and whenever it has changed.
The socket closes with code 1000 once an ended run has been sent whole. A lost run has not ended as long as its pilot
can be recovered: until then the socket stays, and goes on with what the run does next.

There is no queue that a slow client could fill: the next increment is asked for when the last one has gone out,
so a client that falls behind gets fewer and larger ones, and a reset when the store has thinned what it missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from pilothouse_lab.answers import RESOURCE, JSONErrors, in_feed_thread, in_thread
from pilothouse_lab.records import as_json
from pilothouse_lab.runs import find_run

if TYPE_CHECKING:
    from pilothouse.registry.records import RunRecord
    from pilothouse.runs.handle import Run

#: Seconds between frames, at least.
INTERVAL = 0.1

#: Seconds that one long poll waits for a sample, and so the most until a change of state is seen.
PATIENCE = 0.5

#: Seconds between two looks at a lost run, which may go on.
LOST_PATIENCE = 1.0

#: Failed polls in a row (0.5 s apart) after which the socket closes with code 1013, "try again later".
ATTEMPTS = 20

ENDED, TRY_LATER = 1000, 1013


class TelemetrySocket(WebSocketMixin, WebSocketHandler, JSONErrors):
    """Samples of one run."""

    run: Run
    since = 0
    _feeding: asyncio.Task[None] | None = None

    @ws_authenticated
    async def get(self, name: str) -> None:
        """Check the request, then become a websocket. Errors are answered as plain HTTP."""
        allowed = await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", RESOURCE))
        if not allowed:
            raise web.HTTPError(403, f"User is not authorized to read on resource: {RESOURCE}.")
        self.since = self.integer("since", 0, least=0, most=2**53)
        self.run = await in_thread(find_run, name)
        await super().get(name)

    def open(self, *arguments: Any, **options: Any) -> None:
        """Start sending."""
        super().open(*arguments, **options)
        self._feeding = asyncio.create_task(self._feed())

    def on_message(self, message: str | bytes) -> None:
        """Nothing is expected from the client."""

    def on_close(self) -> None:
        """Stop sending."""
        if self._feeding is not None:
            self._feeding.cancel()

    async def _feed(self) -> None:
        with contextlib.suppress(WebSocketClosedError):
            await self._send_all()

    async def _send_all(self) -> None:
        from pilothouse.errors import PilothouseError

        clock = asyncio.get_running_loop().time
        seq, shown, first, failures = self.since, "", True, 0
        while failures < ATTEMPTS:
            began = clock()
            try:
                record = await in_feed_thread(lambda: self.run.record)
                returning = record.state.ended and await in_feed_thread(_may_return, record)
                # An ended run's record is older than its last frame, so this frame is the rest.
                patience = 0.0 if first or record.state.ended else PATIENCE
                status, frame = await in_feed_thread(self.run.status, seq, patience)
                failures = 0
            except PilothouseError as error:
                self.log.info("pilothouse: telemetry of %s: %s", self.run.name, error)
                failures += 1
                await asyncio.sleep(PATIENCE)
                continue
            text = json.dumps(as_json(record) | {"progress": status["progress"]})
            if text != shown:
                await self.write_message(text)
                shown = text
            if first or len(frame.time):
                await self.write_message(frame.encode(), binary=True)
            seq, first = frame.seq, False
            if record.state.ended and not returning:
                self.close(ENDED, "the run has ended")
                return
            await asyncio.sleep(max(0.0, began + (LOST_PATIENCE if returning else INTERVAL) - clock()))
        self.close(TRY_LATER, "the run's supervisor can't be reached")


def _may_return(record: RunRecord) -> bool:
    from pilothouse.pilots.supervisor.recovery import may_return

    return may_return(record)
