"""The live view of a run: an anywidget fed from the run's supervisor by one daemon thread.

What kernel and page say to each other is in ``widgets/js/PROTOCOL.md``. Two rules shape this file: nothing but the
run's name is ever saved in the notebook, and nothing here waits for the kernel's event loop, which stands still
while a cell works.
"""

from __future__ import annotations

import queue
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anywidget
import traitlets

from pilothouse.errors import PilothouseError
from pilothouse.pilots.supervisor.recovery import may_return
from pilothouse_widgets.services import Looks

if TYPE_CHECKING:
    from pilothouse.registry.records import RunRecord
    from pilothouse.runs.handle import Run
    from pilothouse.telemetry import Frame

STATIC = Path(__file__).parent / "static"

#: Seconds between two frames for all views, at least.
INTERVAL = 0.1

#: A cell that goes on working keeps the kernel from hearing the page, so frames for all are whole ones, this many
#: seconds apart, until a page was heard; and from then on one is every so often, for pages that came later.
UNHEARD_INTERVAL, WHOLE_INTERVAL = 0.5, 10.0

#: After this many seconds without a word from a page, frames come once a second: the page may have gone, and what a
#: Jupyter server can't deliver it keeps in memory. By then a second is less than a pixel of the picture.
QUIET_S, QUIET_INTERVAL = 600.0, 1.0

#: Seconds between two looks at a lost run, which goes on when its pilot is recovered.
LOST_INTERVAL = 2.0

#: Seconds between two attempts while the supervisor can't be reached, and how many are made.
RETRY_S, RETRIES = 1.0, 30


class _Ask(NamedTuple):
    """What a page asked for."""

    type: str
    view: str | None = None


class RunView(anywidget.AnyWidget):  # type: ignore[misc]
    """Live plots of a run, with its state and a stop button.

    Parameters
    ----------
    run
        Any run of the user, live or ended.
    """

    _esm = STATIC / "run.js"
    _css = STATIC / "run.css"

    run = traitlets.Unicode().tag(sync=True)
    bokeh = traitlets.Unicode().tag(sync=True)

    def __init__(self, run: Run) -> None:
        super().__init__(run=run.name, bokeh=version("bokeh"))
        self._handle = run
        self._asked: queue.SimpleQueue[_Ask] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._feed: threading.Thread | None = None
        self._closed = threading.Event()
        self.on_msg(self._hear)
        self._wake()

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed.is_set()

    @property
    def feeding(self) -> bool:
        """Whether the thread that feeds the views is at work."""
        with self._lock:
            return self._feed is not None

    def close(self) -> None:
        """Take the view away from all pages and end its thread. The run goes on."""
        self._closed.set()
        super().close()

    def _hear(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "stop":
            threading.Thread(target=self._stop, name=f"pilothouse-stop-{self.run}", daemon=True).start()
        elif kind == "bokehjs":
            self._asked.put(_Ask("bokehjs"))
            self._wake()
        elif kind == "snapshot" and isinstance(view := content.get("view"), str):
            self._asked.put(_Ask("snapshot", view))
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._feed is None and not self._closed.is_set():
                self._feed = threading.Thread(target=self._work, name=f"pilothouse-view-{self.run}", daemon=True)
                self._feed.start()

    def _stop(self) -> None:
        try:
            self._handle.stop()
        except PilothouseError as error:
            self.send({"type": "error", "message": str(error)})

    def _work(self) -> None:
        try:
            _Feed(self, self._handle, self._asked, self._closed).run()
        except PilothouseError as error:
            self.send({"type": "error", "message": str(error)})
        finally:
            with self._lock:
                self._feed = None
            if not self._asked.empty():  # asked between the last look and now
                self._wake()


class _Feed:
    """One life of the thread: until the run has ended, for good, and all that was asked for is sent."""

    def __init__(self, widget: RunView, run: Run, asked: queue.SimpleQueue[_Ask], closed: threading.Event) -> None:
        self._widget = widget
        self._run = run
        self._asked = asked
        self._closed = closed
        self._seq = 0
        self._shown: dict[str, Any] | None = None
        self._heard: float | None = None
        self._lost = False
        self._begun = time.monotonic()
        self._whole = self._begun
        self._services = Looks(run)

    def run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                ended = self._broadcast()
                answered = self._answer(self._interval())
                failures = 0
            except PilothouseError:
                failures += 1
                if failures > RETRIES:
                    raise
                self._closed.wait(RETRY_S)
                continue
            if ended and not answered:
                return

    def _interval(self) -> float:
        if self._lost:
            return LOST_INTERVAL
        if time.monotonic() - (self._heard or self._begun) > QUIET_S:
            return QUIET_INTERVAL
        return UNHEARD_INTERVAL if self._heard is None else INTERVAL

    def _broadcast(self) -> bool:
        """Send what is new to all views; whether the run has ended, and will not go on."""
        now = time.monotonic()
        record = self._run.record  # before the frame: of an ended run, the frame is then the last
        status, frame = self._run.status(self._seq)
        state = self._state(record, status)
        if len(frame.time) or state != self._shown:
            if not frame.reset and (self._heard is None or now - self._whole > WHOLE_INTERVAL):
                frame = self._run.frame()
            if frame.reset:
                self._whole = now
            self._send(None, state, frame)
        self._seq, self._shown = frame.seq, state
        self._lost = may_return(record)
        return record.state.ended and not self._lost

    def _answer(self, patience: float) -> bool:
        """Answer what comes within `patience` seconds; whether anything did."""
        until = time.monotonic() + patience
        answered = False
        while (left := until - time.monotonic()) > 0 and not self._closed.is_set():
            try:
                ask = self._asked.get(timeout=left)
            except queue.Empty:
                break
            answered, self._heard = True, time.monotonic()
            if ask.type == "bokehjs":
                bokeh, texts = bokehjs()
                self._widget.send({"type": "bokehjs", "version": bokeh}, texts)
            else:
                record = self._run.record
                status, frame = self._run.status()
                self._send(ask.view, self._state(record, status), frame)
        return answered

    def _state(self, record: RunRecord, status: dict[str, Any]) -> dict[str, Any]:
        """What a page is told about the run."""
        return {
            "name": record.name,
            "kind": record.what,
            "state": record.state.value,
            "reason": record.reason,
            "progress": status["progress"],
            "service": self._services.latest(),
        }

    def _send(self, view: str | None, state: dict[str, Any], frame: Frame) -> None:
        self._widget.send({"type": "frame", "view": view, "run": state}, [frame.encode()])


def bokehjs() -> tuple[str, list[bytes]]:
    """Version and source of BokehJS, ``bokeh.min.js`` and ``bokeh-api.min.js``, from the installed bokeh package."""
    import bokeh

    folder = Path(bokeh.__file__).parent / "server" / "static" / "js"
    return bokeh.__version__, [(folder / name).read_bytes() for name in ("bokeh.min.js", "bokeh-api.min.js")]
