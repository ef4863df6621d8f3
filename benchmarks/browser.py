"""What a user sees, in the real browser: how long a run that was started in a cell takes to be drawn."""

from __future__ import annotations

import contextlib
import importlib.util
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, missing, within

METRIC = "stream run in a notebook, first point drawn in the browser (s)"

#: Started once the pilot is there; the last line shows the run, whose plot is looked for.
CELLS = [
    "import pilothouse as ph\npilot = ph.submit('local', nodes=2).wait(timeout=60)",
    "run = ph.streams.run(source='kmeans-random', processor='kmeans', broker='log', pilot=pilot)\nrun",
]


def _drawn(lab: Any) -> float:
    """Seconds from the record of the newest run to its first point in the page."""
    import pilothouse as ph

    before = {run.name for run in ph.runs()}
    lab.run_cell(1, wait=False)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        windows = lab.windows()
        now = time.time()
        fresh = [run for run in ph.runs() if run.name not in before]
        if fresh and any(window["first"] / 1000 > fresh[0].record.created.timestamp() - 1 for window in windows):
            fresh[0].stop()
            return now - fresh[0].record.created.timestamp()
        time.sleep(0.01)
    raise TimeoutError("no point was drawn within 60 s")


def rows(runs: int = 3) -> list[Row]:
    """Measure it `runs` times in one notebook; the first time the page loads Bokeh, too."""
    import pilothouse as ph
    from tests.ui.lab_page import Lab, chromium, chromium_path
    from tests.ui.lab_server import lab_server

    if importlib.util.find_spec("playwright") is None or chromium_path() is None:
        return [missing(METRIC, "Chromium")]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "lab").mkdir()
        server = stack.enter_context(lab_server(folder / "lab"))
        browser = stack.enter_context(chromium(folder / "chromium"))
        lab = Lab(browser.new_page(), server)
        server.notebook("drawn.ipynb", CELLS)
        lab.open("drawn.ipynb")
        lab.run_cell(0)
        times = [_drawn(lab) for _ in range(runs)]
        for pilot in ph.pilots():
            pilot.cancel()
    return [within(METRIC, statistics.median(times), 1.5), within(f"{METRIC}, the page's first", times[0], 1.5)]
