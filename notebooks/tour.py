"""Run the tour without a browser and write it as one HTML page: ``python notebooks/tour.py [build/tour.html]``.

The page holds BokehJS and all pictures, and needs no network. It is what ``make tour`` makes. The tour runs in a
state folder of its own, so it meets none of the user's pilots and leaves none.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

TOUR = Path(__file__).with_name("00_tour.ipynb")
WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(path: Path = TOUR, timeout: float = 300) -> nbformat.NotebookNode:
    """The notebook at `path` with the outputs of a run in a new kernel; pilots that it left are cancelled."""
    import pilothouse as ph

    notebook = nbformat.read(path, as_version=4)
    before = os.environ.get("PILOTHOUSE_HOME")
    with tempfile.TemporaryDirectory(prefix="pilothouse-tour-") as folder:
        os.environ["PILOTHOUSE_HOME"] = f"{folder}/state"
        try:
            NotebookClient(notebook, timeout=timeout, kernel_name="python3").execute(cwd=folder)
        finally:
            for pilot in ph.pilots():
                pilot.cancel()
            if before is None:
                del os.environ["PILOTHOUSE_HOME"]
            else:
                os.environ["PILOTHOUSE_HOME"] = before
    return notebook


def to_html(notebook: nbformat.NotebookNode) -> str:
    """The executed notebook as a page. Live views need a kernel, so their still pictures are shown instead."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
    page: str = HTMLExporter(embed_images=True).from_notebook_node(notebook)[0]
    return page


def main() -> None:
    """Write the page named on the command line."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/tour.html")
    begun = time.monotonic()
    page = to_html(execute())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    print(f"{target}: {len(page) / 2**20:.1f} MiB, made in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
