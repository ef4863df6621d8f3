"""A real JupyterLab below a hub-like prefix, and a real browser looking at it.

The browser is Debian's Chromium, driven by Playwright's Python package (which brings its driver): no npm, no
download of browsers. Where one of them is missing the tests are skipped, which ``CI=true`` does not allow.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pilothouse.errors import PilothouseError

#: Nothing that a test needs: no sandbox for root, no graphics card, no calls home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PREFIX = "/user/alice/"

#: Of each live plot that is in the page: how many samples it shows, and the time of the first.
WINDOWS = """async () => {
    const found = new Map();
    const live = node => node && (node.closest?.(".pilothouse-Live") ?? live(node.getRootNode().host));
    const loaded = await Promise.all(globalThis.pilothousePage?.loaded?.values() ?? []);
    for (const bokeh of new Set(loaded)) {
        for (const view of bokeh.index.roots ?? bokeh.index) {
            const host = view.el?.isConnected && live(view.el);
            const times = [...view.model.references()].map(model => model.data?.time ?? model.data?.get?.("time"))
                .filter(time => time && time.length);
            const time = times.sort((a, b) => b.length - a.length)[0];
            if (host && time) {
                found.set(host, {samples: time.length, first: time[0], last: time[time.length - 1]});
            }
        }
    }
    return [...found.values()];
}"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.ui)
            item.add_marker(pytest.mark.slow)


def eventually(what: Callable[[], Any], within: float = 15.0, why: str = "") -> Any:
    """What `what` returns, once that is true; an error of `what` counts as not yet."""
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            if last := what():
                return last
        except (AssertionError, LookupError, PilothouseError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"{why or 'it'} did not come about within {within:g} s: {last!r}")


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Any]:
    return eventually


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


@pytest.fixture(scope="session")
def server(_private_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("lab")
    places = {name: root / name.lower() for name in ("HOME", "RUNTIME", "CONFIG", "DATA", "SETTINGS", "WORKSPACES")}
    served = root / "notebooks"
    for path in (*places.values(), served):
        path.mkdir()
    notices = places["SETTINGS"] / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notices.parent.mkdir(parents=True)
    notices.write_text('{"fetchNews": "false"}')
    token = secrets.token_hex(16)
    environment = os.environ | {
        "HOME": str(places["HOME"]),
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

        found = eventually(started, 60, "the server")
        yield Server(f"http://127.0.0.1:{found}{PREFIX}", token, served)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for one file of tests: while Playwright runs, its event loop counts as running in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


class Lab:
    """JupyterLab in a page: what a user does with it."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page = page
        self.server = server
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str = "") -> None:
        """Go to the Lab, with a notebook when `path` is given."""
        where = f"lab/tree/{path}" if path else "lab"
        self.page.goto(f"{self.server.url}{where}?token={self.server.token}&reset")
        self._ready()
        if path:
            self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=30_000)
            self.page.evaluate(
                """async () => {
                    const {sessionContext} = globalThis.jupyterapp.shell.currentWidget;
                    await sessionContext.ready;
                    await sessionContext.session.kernel.info;
                }"""
            )

    def reload(self) -> None:
        """Load the page again, as the F5 key does."""
        self.page.goto(self.page.url.split("?")[0])
        self._ready()

    def _ready(self) -> None:
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
        self.page.wait_for_function("() => globalThis.jupyterapp?.restored !== undefined", timeout=60_000)
        self.page.evaluate("() => globalThis.jupyterapp.restored.then(() => undefined)")

    def do(self, command: str, **arguments: Any) -> None:
        """Execute one of the Lab's commands; returns when it has been carried out."""
        self.page.evaluate(
            "async ([id, args]) => { await globalThis.jupyterapp.commands.execute(id, args); }", [command, arguments]
        )

    def start(self, command: str, **arguments: Any) -> None:
        """Execute one of the Lab's commands, and don't wait for its end."""
        self.page.evaluate(
            "([id, args]) => { void globalThis.jupyterapp.commands.execute(id, args); }", [command, arguments]
        )

    def run_cell(self, index: int, *, wait: bool = True) -> None:
        """Run one cell of the notebook; its outputs are there when it is waited for."""
        self.page.evaluate(
            """index => {
                const {content} = globalThis.jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                content.deselectAll();
            }""",
            index,
        )
        self.start("notebook:run-cell")
        if wait:
            cell = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").nth(index)
            cell.locator(".jp-InputPrompt").filter(has_text=re.compile(r"\d")).wait_for()

    def panel(self) -> Any:
        """The side bar, shown."""
        self.do("pilothouse:show-panel")
        panel = self.page.locator("#pilothouse-panel")
        panel.wait_for(state="visible")
        return panel

    def item(self, name: str) -> Any:
        """A pilot or a run in the side bar."""
        return self.page.locator(f'#pilothouse-panel [data-pilothouse="{name}"]')

    def windows(self) -> list[dict[str, float]]:
        """The live plots in the page: number of samples, time of the first and of the last."""
        found: list[dict[str, float]] = self.page.evaluate(WINDOWS)
        return found


@pytest.fixture
def lab(browser: Any, server: Server, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A fresh browser window of 1400 x 900; at the end nothing in it may have thrown, and no kernel is left.

    What a failed test saw last is in ``tests/ui/results/``.
    """
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    lab = Lab(context.new_page(), server)
    failed = request.session.testsfailed
    yield lab
    if request.session.testsfailed > failed:
        lab.page.screenshot(path=Path(__file__).parent / "results" / f"{request.node.name}.png")
    with contextlib.suppress(Exception):  # the page may be anywhere
        lab.page.evaluate("() => globalThis.jupyterapp.serviceManager.sessions.shutdownAll()")
    context.close()
    assert lab.errors == []
