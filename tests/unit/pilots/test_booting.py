"""Hosts that are being booted for a job, and the time that a worker has from then on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.state import utcnow
from tests.unit.pilots.set_point_bench import Bench, run


def test_the_time_to_connect_begins_when_a_host_has_booted_and_is_the_sites(state_home: Path) -> None:
    async def steps() -> None:
        bench = Bench(1)
        bench.record.settings["start_timeout"] = 20.0
        bench.nodes._site = Site.model_validate(bench.record.settings)
        await bench.keep()
        bench.queue.jobs["1"] = JobStatus(State.STARTING, "its host is being booted or set up", tag=tag("p-1"))
        await bench.keep()
        (node,) = bench.record.nodes
        assert (node.state, node.reason, node.started) == (State.STARTING, "its host is being booted or set up", None)
        node.since = utcnow() - timedelta(minutes=10)
        await bench.keep()
        assert bench.states() == {"p-1": "starting"}
        bench.queue.jobs["1"] = JobStatus(State.RUNNING, tag=tag("p-1"))
        await bench.keep()
        assert (node.state, node.reason) == (State.STARTING, "")
        node.since = utcnow() - timedelta(seconds=21)
        await bench.keep()
        assert node.state is State.FAILED
        assert "its worker did not connect within 20 s" in node.reason

    run(steps)
