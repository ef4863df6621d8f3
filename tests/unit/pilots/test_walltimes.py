"""When a node is drained before its walltime is over, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pilothouse.pilots.supervisor import walltimes
from pilothouse.registry.records import NodeRecord
from pilothouse.state import utcnow


def node(gone: float, left: float | None) -> NodeRecord:
    now = utcnow()
    ends = None if left is None else now + timedelta(seconds=left)
    return NodeRecord(name="n-1", started=now - timedelta(seconds=gone), ends=ends)


@pytest.mark.parametrize(("walltime", "seconds"), [(60, 10.0), (600, 30.0), (7200, 60.0)])
def test_draining_takes_a_small_share_of_a_walltime_and_no_more_than_the_site_says(
    walltime: float, seconds: float
) -> None:
    assert walltimes.last_call(node(walltime / 2, walltime / 2), 60.0) == pytest.approx(seconds, rel=0.01)


def test_a_node_hands_over_before_its_walltime_is_over() -> None:
    assert walltimes.to_hand_over(node(3600, 3600), 60.0) == 60.0
    assert walltimes.to_hand_over(node(3600, 20), 60.0) == pytest.approx(17, abs=1)
    assert walltimes.to_hand_over(node(3600, None), 60.0) == 60.0


def test_what_fits_into_the_walltime_may_be_finished_once_the_replacement_is_there() -> None:
    assert walltimes.to_finish(node(6600, 600), 60.0) == pytest.approx(540, abs=1)
    assert walltimes.to_finish(node(7170, 30), 60.0) == pytest.approx(27, abs=1)
    assert walltimes.to_finish(node(3600, None), 60.0) == 60.0


def test_those_who_give_out_work_know_how_long_it_may_go_on() -> None:
    there = node(1200, 2400)
    there.connected = there.started
    term = walltimes.term(there, 3630, 60.0)
    assert term is not None
    assert term.left == pytest.approx(2400 - 60 - 3, abs=1)
    assert term.whole == pytest.approx(3600 - 60 - 3, abs=1)
    assert term.walltime == 3630, "its start was seen a moment late"
    other = walltimes.term(there, 7200, 60.0)
    assert other is not None
    assert other.walltime == pytest.approx(3600, abs=1), "nodes of its kind have longer by now"
    assert walltimes.term(node(10, None), 0.0, 60.0) is None
