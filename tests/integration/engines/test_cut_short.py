"""A node that has no time for what a service would have to hand over: the service goes on without it."""

from __future__ import annotations

import psutil
import pytest

import pilothouse as ph
from tests.waiting import eventually

pytestmark = pytest.mark.engines


def test_what_takes_longer_than_a_node_has_is_made_good_by_the_others(state_home: object) -> None:
    with ph.submit("local", name="hurried", nodes=3, lease="30m").wait(timeout=60) as pilot:
        service = pilot.start("board", nodes=2, slow=8).wait(timeout=60)
        service.client()("kept")  # on the latest board
        gone = service.members[0]
        psutil.Process(next(node.pid for node in pilot.nodes if node.name == gone["node"])).terminate()

        def made_good() -> list[int]:
            return next((event["numbers"] for event in service.events() if event["what"] == "made good"), [])

        assert eventually(made_good, "what the others do about it") == [gone["number"]]
        service.wait(timeout=60)
        assert (len(service.nodes), service.reason) == (2, "")
        assert gone["node"] not in service.nodes
        assert set(service.client()()) == {"kept"}
