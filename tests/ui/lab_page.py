"""JupyterLab in a page of the system's Chromium, driven by Playwright: what a user does with it."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.ui.lab_server import Server

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

#: Whether the notebook's kernel takes what is run: it may have told about itself on a connection that is gone.
KERNEL_HEARS = """() => {
    const kernel = globalThis.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
    return kernel?.connectionStatus === "connected" && ["idle", "busy"].includes(kernel.status);
}"""

#: Takes everything out of the main area, whether it was saved or not, and ends the kernels.
CLEAR = """async () => {
    const {serviceManager, shell} = globalThis.jupyterapp;
    [...shell.widgets("main")].forEach(widget => widget.dispose());
    await serviceManager.sessions.shutdownAll();
    localStorage.clear();
    sessionStorage.clear();
}"""

SIZE = {"width": 1400, "height": 900}

#: Whether an element has the focus.
FOCUSED = "element => element === document.activeElement"

#: Of each live plot that is in the page: how many samples it shows, and the time of the first. A BokehJS that is still
#: to come has no plots: nothing waits for it.
WINDOWS = """async () => {
    const found = new Map();
    const live = node => node && (node.closest?.(".pilothouse-Live") ?? live(node.getRootNode().host));
    const loading = [...(globalThis.pilothousePage?.loaded?.values() ?? [])];
    const loaded = await Promise.all(loading.map(promise => Promise.race([promise, Promise.resolve(null)])));
    for (const bokeh of new Set(loaded.filter(bokeh => bokeh !== null))) {
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


def chromium_path() -> str | None:
    """Where Debian's Chromium is; None when it is not installed."""
    names = ("chromium", "chromium-browser", "chromium-headless-shell")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A window of Chromium of 1400 x 900, with what `profile` keeps of pages that it has compiled before.

    While Playwright runs, its event loop counts as running in this thread.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        window = driver.chromium.launch_persistent_context(
            profile, executable_path=chromium_path(), args=FLAGS, viewport=SIZE
        )
        yield window
        window.close()


class Lab:
    """JupyterLab in a page: what a user does with it."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page = page
        self.server = server
        self.errors: list[str] = []
        self._loaded = False
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str = "", *, fresh: bool = False) -> None:
        """Go to the Lab, with a notebook when `path` is given; one that is there is loaded again when it is `fresh`."""
        if fresh or not self._loaded:
            where = f"lab/tree/{path}" if path else "lab"
            self.page.goto(f"{self.server.url}{where}?token={self.server.token}&reset")
            self._ready()
            self._loaded = True
        elif path:
            self.do("docmanager:open", path=path)
        if path:
            self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=30_000)
            self.page.wait_for_function("() => globalThis.jupyterapp.shell.currentWidget?.sessionContext")
            self.page.evaluate(
                """async () => {
                    const {sessionContext} = globalThis.jupyterapp.shell.currentWidget;
                    await sessionContext.ready;
                    await sessionContext.session.kernel.info;
                }"""
            )
            self.page.wait_for_function(KERNEL_HEARS, timeout=120_000)

    def reload(self) -> None:
        """Load the page again, as the F5 key does."""
        self.page.goto(self.page.url.split("?")[0])
        self._ready()

    def clear(self) -> None:
        """End the kernels, and close what is open: the next one finds the Lab as when it was loaded."""
        while self.page.locator(".jp-Dialog").count():
            self.page.keyboard.press("Escape")
        self.page.evaluate(CLEAR)
        self.page.set_viewport_size(SIZE)

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
        # In one go: a notebook that comes to the front again gives the focus back to the cell that had it before.
        self.page.wait_for_function("() => globalThis.jupyterapp.shell.currentWidget?.content?.activeCell")
        self.page.evaluate(
            """index => {
                const {commands, shell} = globalThis.jupyterapp;
                const {content} = shell.currentWidget;
                content.activeCellIndex = index;
                content.deselectAll();
                void commands.execute("notebook:run-cell");
            }""",
            index,
        )
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

    def take_focus(self) -> None:
        """What is behind a dialog takes the focus, as tabs do that open late."""
        self.page.locator(".jp-LauncherCard").first.evaluate("card => card.focus()")

    def windows(self) -> list[dict[str, float]]:
        """The live plots in the page: number of samples, time of the first and of the last."""
        found: list[dict[str, float]] = self.page.evaluate(WINDOWS)
        return found
