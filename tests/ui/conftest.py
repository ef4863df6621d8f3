"""A real JupyterLab below a hub-like prefix, and a real browser looking at it.

The browser is Debian's Chromium, driven by Playwright's Python package (which brings its driver): no npm, no
download of browsers. Where one of them is missing the tests are skipped, which ``CI=true`` does not allow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import waiting
from tests.ui.lab_page import Lab, chromium, chromium_path
from tests.ui.lab_server import Server, lab_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.ui)


def eventually(what: Callable[[], Any], within: float = 15.0, why: str = "it") -> Any:
    """`tests.waiting.eventually`, for what people see within seconds."""
    return waiting.eventually(what, why, within)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Any]:
    return eventually


@pytest.fixture(scope="session")
def server(_private_places: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with lab_server(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, for one file of tests: it takes Playwright's event loop along when it goes."""
    pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    if chromium_path() is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with chromium(tmp_path_factory.getbasetemp() / "chromium") as window:
        window.set_default_timeout(60_000)  # only a test that fails waits for so long
        yield window


@pytest.fixture(scope="module")
def labs(browser: Any) -> Iterator[dict[str, Lab]]:
    """The pages of this file's tests, one for each server: to load the Lab takes longer than most of them."""
    found: dict[str, Lab] = {}
    yield found
    for lab in found.values():
        lab.page.close()
    browser.clear_cookies()


@pytest.fixture
def lab(browser: Any, server: Server, labs: dict[str, Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The Lab; at the end nothing in its page may have thrown. A test that failed leaves its page to no other.

    What a failed test saw last is in ``tests/ui/results/``.
    """
    others = {*browser.pages}  # Chromium ends with its first one
    lab = labs[server.url] = labs.get(server.url) or Lab(browser.new_page(), server)
    failed = request.session.testsfailed
    yield lab
    if request.session.testsfailed > failed:
        lab.page.screenshot(path=Path(__file__).parent / "results" / f"{request.node.name}.png")
        with contextlib.suppress(Exception):  # the page may be anywhere
            lab.clear()
        labs.pop(server.url).page.close()
    else:
        lab.clear()
    for page in {*browser.pages} - others - {lab.page}:
        page.close()
    errors, lab.errors = lab.errors, []
    assert errors == []
