"""The picture in the README, taken from the real thing; it is replaced when ``PILOTHOUSE_SCREENSHOTS=1``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pilothouse as ph

IMAGES = Path(__file__).parents[2] / "docs" / "images"

CELLS = [
    'import pilothouse as ph\n\npilot = ph.submit("local", name="laptop", nodes=2)',
    'run = ph.streams.run("kmeans-random", "kmeans", pilot=pilot, rate=40, name="clusters")\nrun',
]


def test_a_stream_is_started_in_a_cell_and_seen_in_cell_and_panel(
    lab: Any, server: Any, tmp_path: Path, eventually: Any
) -> None:
    server.notebook("stream.ipynb", CELLS)
    lab.open("stream.ipynb")
    lab.panel()
    for index in range(len(CELLS)):
        lab.run_cell(index)
    run = eventually(lambda: ph.attach("clusters"), 30, "the run")
    try:
        lab.item("laptop").wait_for(timeout=20_000)
        lab.item("clusters").wait_for(timeout=20_000)
        kept = os.environ.get("PILOTHOUSE_SCREENSHOTS") == "1"
        least = 150 if kept else 20  # fifteen seconds of a plot, or two
        eventually(lambda: any(window["samples"] > least for window in lab.windows()), 60, "a plot")
        picture = (IMAGES if kept else tmp_path) / "lab.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        lab.page.screenshot(path=picture)
        assert picture.stat().st_size > 30_000
    finally:
        run.stop()
        ph.attach("laptop").cancel()
