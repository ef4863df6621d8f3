"""Nodes that are submitted together: as many at once as the batch system takes, each a node by itself afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.errors import NotFound, Refused, Unavailable
from pilothouse.pilots.queues.jobs import script_of
from pilothouse.pilots.queues.protocols import TOGETHER, Job, JobStatus, member
from pilothouse.pilots.supervisor import submitting
from pilothouse.pilots.supervisor.array_sizes import ArraySizes
from pilothouse.registry.records import PILOTS, State
from tests.unit.pilots.set_point_bench import Bench, FakeQueue, run


class ArrayFake(FakeQueue):
    """A batch system that has arrays, of so many members and jobs at most."""

    longest, room = 1000, 1000

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def script(self, job: Job) -> str:
        return f"{job.name} x {job.count}"

    async def submit(self, job: Job) -> str:
        self._take(1)
        return await super().submit(job)

    async def submit_array(self, job: Job) -> list[str]:
        self._take(job.count)
        ids = [f"a{len(self.calls)}_{index}" for index in range(job.count)]
        for index, number in enumerate(ids):
            self.jobs[number] = JobStatus(State.PENDING, "Priority", tag=member(job.tag, index))
        if self.then_error is not None:
            raise self.then_error
        return ids

    def _take(self, number: int) -> None:
        self.calls.append(number)
        if 1 < number > self.longest:
            raise Refused("sbatch: Invalid job array specification")
        if len(self.jobs) + number > self.room:
            raise Refused("sbatch: AssocMaxSubmitJobLimit")


def made(wanted: int, longest: int = 1000, room: int = 1000, **site: object) -> Bench:
    queue = ArrayFake()
    queue.longest, queue.room = longest, room
    return Bench(wanted, queue=queue, site=site)


def calls(bench: Bench) -> list[int]:
    assert isinstance(bench.queue, ArrayFake)
    return bench.queue.calls


def test_nodes_that_are_missing_are_one_call_and_each_has_a_job(state_home: Path) -> None:
    async def steps() -> None:
        bench = made(TOGETHER + 3)
        await bench.keep()
        assert calls(bench) == [TOGETHER, 3]
        nodes = bench.record.nodes
        assert [node.name for node in nodes] == [f"p-{number + 1}" for number in range(len(nodes))]
        assert {bench.queue.jobs[node.job].tag.rpartition("-")[2] for node in nodes} == {
            node.name.rpartition("-")[2] for node in nodes
        }
        await bench.keep()
        assert len(bench.record.nodes) == TOGETHER + 3, "all of them are known again"
        bench.end("p-50")
        bench.nodes.trying._not_before = 0.0
        await bench.keep()
        bench.nodes.trying._not_before = 0.0
        await bench.keep()
        assert calls(bench)[2:] == [1], "one alone is no array"

    run(steps)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"room": 7}, [40, 1, 2, 4, 8, 1]),  # a quota: filled up, and told
        ({"longest": 10}, [40, 1, 2, 4, 8, 16, 1, 2, 4, 8, 8, 2]),  # as many as an array may have, from then on
        ({"longest": 1}, [40, 1, 2, *[1] * 39]),  # no arrays at all: after that, one by one
    ],
)
def test_what_is_refused_leads_to_what_is_accepted(
    state_home: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], expected: list[int]
) -> None:
    monkeypatch.setattr(submitting, "SLICE_S", 60.0)

    async def steps() -> None:
        bench = made(40, **limits)
        await bench.keep()
        assert calls(bench) == expected
        assert len(bench.record.nodes) == min(40, limits.get("room", 40))
        assert all(node.job for node in bench.record.nodes)
        refused = [event.get("nodes", 1) for event in bench.events("refused")]
        assert refused[0] == 40
        assert bool(bench.nodes.trying.refusal) == ("room" in limits), "it is told until one is accepted"
        if "room" in limits:
            assert refused == [40, 8, 1]

    run(steps)


def test_a_site_may_have_them_one_by_one(state_home: Path) -> None:
    async def steps() -> None:
        bench = made(6, job_arrays=False)
        await bench.keep()
        assert calls(bench) == [1] * 6

    run(steps)


def test_an_array_whose_submission_was_not_answered_is_found_by_its_members(state_home: Path) -> None:
    async def steps() -> None:
        bench = made(12)
        bench.queue.then_error = Unavailable("sbatch did not answer")
        with pytest.raises(Unavailable):
            await bench.keep()
        assert {node.job for node in bench.record.nodes} == {""}
        await bench.keep()
        assert {node.name: node.job for node in bench.record.nodes} == {f"p-{i + 1}": f"a1_{i}" for i in range(12)}
        assert calls(bench) == [12]
        assert not bench.queue.cancelled

    run(steps)


def test_the_script_of_each_is_the_one_that_was_submitted(state_home: Path) -> None:
    async def steps() -> None:
        bench = made(3)
        await bench.keep()
        bench.record.wanted["node"] = 4
        await bench.keep()
        assert {path.name for path in PILOTS.folder("p").glob("*.sh")} == {"p-1-3.sh", "p-4.sh"}
        assert [script_of(bench.record, f"p-{number}") for number in (1, 2, 3, 4)] == ["p-1 x 3"] * 3 + ["p-4 x 1"]
        for other in ("p-5", "q-2", "p-x"):
            with pytest.raises(NotFound):
                script_of(bench.record, other)

    run(steps)


def test_a_length_is_given_up_only_when_as_many_are_taken_otherwise() -> None:
    sizes = ArraySizes(100)
    sizes.refused(16)
    for number, following in ((1, 2), (2, 4), (4, 8), (8, 8), (1, 8)):
        assert sizes.most == 100 or number == 1
        sizes.accepted(number)
        assert sizes.next == following
    assert sizes.most == 8
    sizes.refused(1)
    assert (sizes.next, sizes.most) == (1, 8)
