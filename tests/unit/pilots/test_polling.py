"""One question for all pilots of a user and host; what is asked when, and what is made of no answer."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import json
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues import polling
from pilothouse.pilots.queues.polling import Polling
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.queues.turns import Turn
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.line.client import runtime_folder
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State

T = TypeVar("T")
SITE = Site(name="fake", system="fake", poll_least=2, poll_most=30)


class FakeQueue:
    """A batch system that says what it is told to say."""

    def __init__(self) -> None:
        self.listed: dict[str, JobStatus] | Exception = {}
        self.ended: dict[str, JobStatus] = {}
        self.asked = 0

    async def poll(self) -> dict[str, JobStatus]:
        self.asked += 1
        if isinstance(self.listed, Exception):
            raise self.listed
        return dict(self.listed)

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        return {job: status for job, status in self.ended.items() if job in ids}


class Clock:
    """Time that passes when it is told to."""

    now = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    time = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, state_home: Path, tmp_path: Path) -> Clock:
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return clock


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


def wait(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def poller(queue: FakeQueue) -> Polling:
    return Polling(queue, SITE)  # type: ignore[arg-type]  # it needs no more of a queue


RUNNING = JobStatus(State.RUNNING, host="n1", tag="x")


def test_pilots_share_an_answer_until_it_is_too_old(clock: Clock, queue: FakeQueue) -> None:
    queue.listed = {"1": RUNNING}
    one, other = poller(queue), poller(queue)
    assert wait(one.statuses(["1"])) == {"1": RUNNING}
    assert wait(one.statuses(["1"])) is None, "it is not time yet"
    assert wait(other.statuses(["1"])) == {"1": RUNNING}
    assert (queue.asked, one.asked, other.asked) == (1, 1, 0)
    clock.now += 2.1
    wait(one.statuses(["1"]))
    wait(other.statuses(["1"]))
    assert queue.asked == 2


def test_what_is_said_before_a_change_is_not_enough_after_it(clock: Clock, queue: FakeQueue) -> None:
    one, other = poller(queue), poller(queue)
    wait(other.statuses([]))
    clock.now += 0.5
    one.expect_change()
    wait(one.statuses([]))
    assert queue.asked == 2
    clock.now += 0.5
    one.look_now()
    wait(one.statuses([]))
    assert queue.asked == 3


def test_questions_become_rare_while_nothing_changes_and_frequent_again(clock: Clock, queue: FakeQueue) -> None:
    queue.listed = {"1": JobStatus(State.PENDING, tag="x")}
    pilot = poller(queue)
    times = []
    for _ in range(500):
        clock.now += 0.7
        before = queue.asked
        wait(pilot.statuses(["1"]))
        if queue.asked > before:
            times.append(clock.now)
    gaps = [late - early for early, late in pairwise(times)]
    assert gaps[0] < 4
    assert all(late > early - 1 for early, late in pairwise(gaps))
    assert 30 <= gaps[-1] < 31
    queue.listed = {"1": RUNNING}
    clock.now += 31
    wait(pilot.statuses(["1"]))
    clock.now += 2.1
    asked = queue.asked
    wait(pilot.statuses(["1"]))
    assert queue.asked == asked + 1


def test_no_answer_is_no_end_and_is_asked_for_less_and_less(clock: Clock, queue: FakeQueue) -> None:
    queue.listed = {"1": RUNNING}
    pilot = poller(queue)
    wait(pilot.statuses(["1"]))
    queue.listed = Unavailable("squeue did not answer within 20 s")
    errors = 0
    for _ in range(200):
        clock.now += 1.1
        try:
            assert wait(pilot.statuses(["1"])) in (None, {"1": RUNNING})
        except Unavailable:
            errors += 1
    assert 5 < errors < 15
    queue.listed = {"1": RUNNING}
    clock.now += 31
    assert wait(pilot.statuses(["1"])) == {"1": RUNNING}


def test_a_job_that_nobody_knows_any_more_has_failed_but_not_at_once(clock: Clock, queue: FakeQueue) -> None:
    pilot = poller(queue)
    answers = []
    for listed in ({}, Unavailable("no"), {}, {"1": RUNNING}, {}, {}, {}):
        queue.listed = listed
        clock.now += 61
        pilot.expect_change()
        try:
            answers.append(wait(pilot.statuses(["1"])))
        except Unavailable:
            answers.append(None)
    assert answers[:6] == [{}, None, {}, {"1": RUNNING}, {}, {}]
    assert answers[6] == {"1": JobStatus(State.FAILED, "the batch system does not know the job any more")}


def test_accounts_that_come_late_are_waited_for(clock: Clock, queue: FakeQueue) -> None:
    pilot = poller(queue)
    pilot.look_now()
    for _ in range(polling.EAGER):
        assert wait(pilot.statuses(["1"])) == {}
        clock.now += polling.EAGER_S
    queue.ended = {"1": JobStatus(State.FAILED, "cancelled", exit_code=-15)}
    assert wait(pilot.statuses(["1"])) == queue.ended


def test_the_history_knows_how_a_job_ended_that_is_not_listed(clock: Clock, queue: FakeQueue) -> None:
    pilot = poller(queue)
    queue.ended = {"1": JobStatus(State.FAILED, "out of memory", exit_code=-9), "2": JobStatus(State.FINISHED)}
    assert wait(pilot.statuses(["1"])) == {"1": queue.ended["1"]}


def test_jobs_of_others_are_left_out_and_unknown_ones_of_ours_are_not(clock: Clock, queue: FakeQueue) -> None:
    ours = JobStatus(State.RUNNING, tag=tag("lost-1"))
    queue.listed = {"1": RUNNING, "2": ours, "3": RUNNING}
    assert wait(poller(queue).statuses(["1"])) == {"1": RUNNING, "2": ours}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"time": 0}', b'{"time": "x", "jobs": {}}'])
def test_a_broken_shared_answer_is_not_believed(clock: Clock, queue: FakeQueue, content: bytes) -> None:
    queue.listed = {"1": RUNNING}
    one, other = poller(queue), poller(queue)
    wait(one.statuses(["1"]))
    shared = next(Path(tempfile.gettempdir()).rglob("poll-*.json"))
    shared.write_bytes(content)
    assert wait(other.statuses(["1"])) == {"1": RUNNING}
    assert queue.asked == 2


def test_after_logging_out_answers_are_shared_in_a_new_folder(clock: Clock, queue: FakeQueue) -> None:
    queue.listed = {"1": RUNNING}
    one, other = poller(queue), poller(queue)
    wait(one.statuses(["1"]))
    shutil.rmtree(runtime_folder())
    clock.now += 60
    assert wait(one.statuses(["1"])) == {"1": RUNNING}
    assert wait(other.statuses(["1"])) == {"1": RUNNING}
    assert (queue.asked, other.asked) == (2, 0)
    assert runtime_folder().stat().st_mode & 0o777 == 0o700
    shutil.rmtree(runtime_folder())
    one.close()


def test_an_answer_from_the_future_is_not_believed(clock: Clock, queue: FakeQueue) -> None:
    queue.listed = {"1": RUNNING}
    wait(poller(queue).statuses(["1"]))
    shared = next(Path(tempfile.gettempdir()).rglob("poll-*.json"))
    data = json.loads(shared.read_text())
    shared.write_text(json.dumps({**data, "time": clock.now + 3600, "jobs": {}}))  # the clock was put back since
    assert wait(poller(queue).statuses(["1"])) == {"1": RUNNING}


def test_a_supervisor_that_stands_still_while_it_asks_keeps_nobody_else_from_asking(
    clock: Clock, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "Turn", functools.partial(Turn, patience=0.2))
    queue.listed = {"1": RUNNING}
    wait(poller(queue).statuses(["1"]))
    lock = next(Path(tempfile.gettempdir()).rglob("poll-*.lock"))
    clock.now += 60
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # and nobody touches it
        assert wait(poller(queue).statuses(["1"])) == {"1": RUNNING}
    assert queue.asked == 2


def test_waiting_for_ends_asks_until_they_have_come(
    clock: Clock, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        clock.now += seconds
        if queue.asked == 3:
            queue.listed = {"1": JobStatus(State.FAILED), "2": RUNNING}

    monkeypatch.setattr(asyncio, "sleep", sleep)
    queue.listed = {"1": RUNNING, "2": RUNNING}
    assert wait(poller(queue).gone(["1"], timeout=60)) == []
    assert queue.asked == 4
    assert wait(poller(queue).gone(["2"], timeout=5)) == ["2"]  # in vain, but not for ever
    assert queue.asked < 20
    queue.ended["2"] = JobStatus(State.FAILED, "cancelled")
    assert wait(poller(queue).gone(["2"], timeout=600)) == [], "the listing is behind, the history knows"
    assert queue.asked < 80, "less often as time goes by"
