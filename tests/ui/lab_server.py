"""A real JupyterLab below a hub-like prefix."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tests.waiting import eventually

PREFIX = "/user/alice/"


@dataclass
class Server:
    """A running JupyterLab."""

    url: str
    token: str
    root: Path

    def notebook(self, name: str, cells: Sequence[str]) -> Path:
        """Write a notebook into the served folder."""
        path = self.root / name
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, path)
        return path


@contextlib.contextmanager
def lab_server(root: Path) -> Iterator[Server]:
    """JupyterLab with all its places in `root`, and with this process's environment."""
    places = {name: root / name.lower() for name in ("HOME", "RUNTIME", "CONFIG", "DATA", "SETTINGS", "WORKSPACES")}
    served = root / "notebooks"
    for path in (*places.values(), served):
        path.mkdir()
    notices = places["SETTINGS"] / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notices.parent.mkdir(parents=True)
    notices.write_text('{"fetchNews": "false"}')
    documents = places["SETTINGS"] / "@jupyterlab" / "docmanager-extension" / "plugin.jupyterlab-settings"
    documents.parent.mkdir(parents=True)
    documents.write_text('{"autosave": false}')  # one in the middle of a test's own save makes it ask what to do
    token = secrets.token_hex(16)
    environment = os.environ | {
        "HOME": str(places["HOME"]),
        "XDG_CONFIG_HOME": str(places["HOME"] / ".config"),
        "JUPYTER_TOKEN": token,
        "JUPYTER_RUNTIME_DIR": str(places["RUNTIME"]),
        "JUPYTER_CONFIG_DIR": str(places["CONFIG"]),
        "JUPYTER_DATA_DIR": str(places["DATA"]),
        "JUPYTERLAB_SETTINGS_DIR": str(places["SETTINGS"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(places["WORKSPACES"]),
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--ServerApp.base_url={PREFIX}",
        f"--ServerApp.root_dir={served}",
        "--ServerApp.terminals_enabled=False",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = root / "lab.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=output, stderr=output
        )
    try:

        def port() -> int:
            assert process.poll() is None, log.read_text()
            return int(json.loads(next(places["RUNTIME"].glob("jpserver-*.json")).read_text())["port"])

        def started() -> int:
            with contextlib.suppress(StopIteration, ValueError):
                return port()
            return 0

        found = eventually(started, "the server", 240)
        yield Server(f"http://127.0.0.1:{found}{PREFIX}", token, served)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
