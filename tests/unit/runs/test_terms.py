"""What may still begin on a node, from how long it lasts."""

from __future__ import annotations

import time

import pytest

from pilothouse.runs.cores import Capacity
from pilothouse.runs.terms import Term, Terms

WALLTIME = 3600.0


def terms(replaced: bool = True, **left: float) -> Terms:
    """Nodes of an hour, with so many seconds left each; those whose names begin with ``r`` are being renewed."""
    found = Terms()
    there = {
        name: Term(time.monotonic() + seconds, WALLTIME, WALLTIME, renewed=name.startswith("r"))
        for name, seconds in left.items()
    }
    found.tell(there, [(Capacity(4), WALLTIME), (Capacity(1), 10 * WALLTIME)], replaced=replaced)
    return found


def test_a_node_whose_end_is_not_known_takes_everything() -> None:
    assert Terms().may_begin("n-1", 10.0**9, 10.0**9)


def test_what_a_walltime_cut_off_needs_twice_as_long() -> None:
    assert terms(over=0.0).needs("over", 600) == 1200
    assert terms(early=900).needs("early", 600) == 600, "its node was given back before its time"
    assert terms(replaced=False, over=0.0).needs("over", 600) == 600, "no other node will come"
    assert terms().needs("unknown", 600) == 600


def test_what_was_cut_off_begins_where_it_has_time_or_on_a_new_node() -> None:
    found = terms(old=1000, new=WALLTIME - 2)
    assert found.may_begin("old", 0.0)
    assert found.may_begin("old", 900)
    assert not found.may_begin("old", 1100)
    assert found.may_begin("new", 6000)
    assert not found.may_begin("new", 6000, longest=10 * WALLTIME), "another kind lasts longer"


def test_on_a_node_that_is_being_renewed_begins_what_is_expected_to_end() -> None:
    found = terms(old=100, renewed=100)
    assert found.may_begin("old", 0.0, 200)
    assert not found.may_begin("renewed", 0.0, 200)
    assert found.may_begin("renewed", 0.0, 50)
    assert found.may_begin("renewed", 0.0), "nobody knows"
    assert (found.renewed("renewed"), found.renewed("old"), found.renewed("other")) == (True, False, False)
    assert found.least == pytest.approx(100, abs=1)


def test_what_had_a_new_node_to_its_end_needs_one_that_lasts_longer() -> None:
    found = terms(over=1.0, early=2000)
    assert found.was_too_short("over", WALLTIME - 10)
    assert not found.was_too_short("over", 1800), "it began late there"
    assert not found.was_too_short("early", 1600), "the node was given back before its time"
    assert not found.was_too_short("over", WALLTIME - 10, longest=10 * WALLTIME)
    assert not found.was_too_short("unknown", WALLTIME)


def test_the_longest_walltime_is_that_of_the_nodes_that_will_do() -> None:
    found = terms()
    assert found.longest() == 10 * WALLTIME
    assert found.longest(lambda node: node.cores >= 4) == WALLTIME
    assert found.longest(lambda node: node.cores >= 8) == 0.0
