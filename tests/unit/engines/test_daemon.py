"""What is said of a framework's process that did not begin to serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.engines.place import NodePlace
from pilothouse.errors import Failed
from tests.unit.engines.test_room import Channel

EXCEPTION = "java.io.IOException: Failed to load FSImage file"
LOGGED = f"2026-11-30 08:56:24,891 ERROR x.Y: Failed to start.\n{EXCEPTION}\n\tat x.Y.z(Y.java:7)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodePlace:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "secrets.json").write_text("{}")
    return NodePlace(Channel(tmp_path))  # type: ignore[arg-type]


def test_one_line_says_why_it_ended_and_where_the_rest_is(place: NodePlace) -> None:
    daemon = place.daemon("names", ["sh", "-c", f"echo '{LOGGED}'; echo '****/'; exit 3"])
    daemon.ended()
    with pytest.raises(Failed) as failed:
        place.until(lambda: False, "it did not begin", 60)
    assert str(failed.value) == (
        f"it did not begin: names ended with code 3: {EXCEPTION}; "
        "ph.attach('board-1').logs('exp-1') has all that was said"
    )


def test_what_it_threw_before_is_not_why_it_was_killed(place: NodePlace) -> None:
    daemon = place.daemon("names", ["sh", "-c", f"echo '{LOGGED}'; kill -9 $$"])
    daemon.ended()
    assert daemon.last_words == "names was ended by signal 9"
    assert EXCEPTION in daemon.log.read_text()
