"""The kernel's half of the run widget, with a real run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pilothouse.telemetry import Frame
from pilothouse_widgets.run_view import STATIC

if not (STATIC / "run.js").exists():
    pytest.skip("the widgets are not built: make setup", allow_module_level=True)

from pilothouse_widgets import RunView, run_mimebundle
from tests.waiting import eventually


class Page(RunView):
    """What a page would get: messages are kept instead of sent."""

    def send(self, content: Any, buffers: Any = None) -> None:
        self.__dict__.setdefault("got", []).append((content, buffers, threading.current_thread().name))

    @property
    def messages(self) -> list[tuple[dict[str, Any], list[bytes], str]]:
        return list(self.__dict__.get("got", []))

    def frames(self, view: str | None = None) -> list[Frame]:
        return [Frame.decode(b[0]) for c, b, _ in self.messages if c["type"] == "frame" and c["view"] == view]

    def ask(self, **message: Any) -> None:
        self._handle_custom_msg(message, [])


@pytest.fixture
def run(local_pilot: Any) -> Iterator[Any]:
    run = local_pilot.launch("count", {"to": 3000})
    yield run
    run.stop()


@pytest.fixture
def page(run: Any) -> Iterator[Page]:
    page = Page(run)
    yield page
    page.close()


def test_pages_are_told_of_a_service_where_it_is_and_who_its_members_are(local_pilot: Any) -> None:
    board = local_pilot.start("board").wait(timeout=60)
    page = Page(board)
    try:
        board.client()("a")

        def told() -> Any:
            return [content["run"]["service"] for content, *_ in page.messages if content["type"] == "frame"][-1]

        eventually(lambda: page.messages and told()["members"][0]["metrics"].get("words") == 1.0)
        assert told()["address"] == board.address
        assert board.secrets["word"] not in str(page.messages)
        bundle = board._repr_mimebundle_()
        assert board.address in bundle["text/html"]
        assert bundle["text/plain"].splitlines()[1] == f"address: {board.address}"
        assert "words 1" in bundle["text/plain"]
    finally:
        page.close()
        board.stop()


def test_until_a_page_is_heard_every_frame_is_whole(page: Page) -> None:
    eventually(lambda: len(page.frames()) >= 3 and len(page.frames()[-1].time) > 5)
    frames = page.frames()
    assert all(frame.reset for frame in frames)
    assert len({thread for *_, thread in page.messages}) == 1


def test_a_snapshot_is_for_its_view_and_increments_follow_without_a_gap(page: Page) -> None:
    eventually(lambda: page.frames() and len(page.frames()[-1].time))
    page.ask(type="snapshot", view="v1")
    eventually(lambda: page.frames("v1"))
    (snapshot,) = page.frames("v1")
    assert snapshot.reset
    known = len(page.messages)
    eventually(lambda: len(page.messages) > known + 8)
    late = [Frame.decode(buffers[0]) for _, buffers, _ in page.messages[known:]]
    increments = [frame for frame in late if not frame.reset and len(frame.time)]
    assert len(increments) >= 5
    produced = np.concatenate([frame.columns["produced"] for frame in increments])
    assert (np.diff(produced) == 1).all()
    assert produced[0] <= snapshot.columns["produced"][-1] + 1


def test_no_more_than_ten_frames_a_second_are_sent(page: Page) -> None:
    page.ask(type="snapshot", view="v1")
    eventually(lambda: page.frames("v1"))
    known, begun = len(page.messages), time.monotonic()
    eventually(lambda: len(page.messages) > known + 20)
    assert time.monotonic() - begun > 1.9


def test_bokehjs_comes_on_request_from_the_installed_package_and_is_no_trait(page: Page) -> None:
    import bokeh

    page.ask(type="bokehjs")
    eventually(lambda: any(content["type"] == "bokehjs" for content, *_ in page.messages))
    content, buffers, _ = next(message for message in page.messages if message[0]["type"] == "bokehjs")
    assert content["version"] == bokeh.__version__ == page.bokeh
    assert [len(text) > 10_000 for text in buffers] == [True, True]
    state = {key: value for key, value in page.get_state().items() if key not in ("_esm", "_css")}
    assert sum(len(str(value)) for value in state.values()) < 2_000


@pytest.mark.parametrize(
    "message", [{}, {"type": "snapshot"}, {"type": "snapshot", "view": 3}, {"type": "?"}, "text", None]
)
def test_nonsense_from_the_page_is_ignored(page: Page, message: Any) -> None:
    page._handle_custom_msg(message, [])
    page.ask(type="snapshot", view="after")
    eventually(lambda: page.frames("after"))


def test_the_thread_ends_with_the_run_and_answers_later_pages_from_disk(page: Page, run: Any) -> None:
    page.ask(type="snapshot", view="v1")
    eventually(lambda: len(page.frames()) > 3)
    page.ask(type="stop")
    eventually(lambda: run.state.ended)
    eventually(lambda: not page.feeding)
    assert page.messages[-1][0]["run"]["state"] == "finished"
    page.ask(type="snapshot", view="v2")
    eventually(lambda: page.frames("v2"))
    assert page.frames("v2")[0].seq == run.frame().seq
    eventually(lambda: not page.feeding)


def test_closing_the_view_ends_its_thread_and_not_the_run(page: Page, run: Any) -> None:
    eventually(lambda: page.frames())
    page.close()
    eventually(lambda: not page.feeding)
    assert not run.state.ended


def test_outside_a_notebook_a_run_shows_html_and_text(run: Any) -> None:
    bundle = run_mimebundle(run)
    assert set(bundle) == {"text/plain", "text/html"}
    assert run.name in bundle["text/plain"]
    assert run.name in bundle["text/html"]
    assert len(bundle["text/html"]) < 10_000
