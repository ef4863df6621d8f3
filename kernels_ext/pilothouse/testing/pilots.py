"""What users do with a pilot, on a real batch system; `PilotContract` is inherited by a test class for each."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput
from pilothouse.pilots import Pilot
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.discovery import sites
from pilothouse.registry.records import State
from pilothouse.testing.waiting import eventually

#: Batch systems take their time, and so does a machine that does other things too.
PATIENCE_S = 120.0


class PilotContract:
    """The contract; a subclass says which batch system, and how a job is deleted by hand.

    `polls` are the site's ``poll_least`` and ``poll_most``, seconds: more where its commands compute for long.
    """

    system: str
    hosts: tuple[str, ...]
    cores: int
    delete: str
    polls: tuple[float, float] = 0.3, 1.0

    @pytest.fixture(autouse=True)
    def _state(self, state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pilots of a test are its own, and the batch system is asked often."""
        site, (least, most) = tmp_path / "site.toml", self.polls
        site.write_text(f'[{self.system}]\nsystem = "{self.system}"\npoll_least = {least}\npoll_most = {most}\n')
        monkeypatch.setenv("PILOTHOUSE_SITES", str(site))

    def submit(self, nodes: int, **fields: object) -> Pilot:
        return ph.submit(self.system, nodes=nodes, walltime="20min", lease="1h", **fields)  # type: ignore[arg-type]

    def jobs(self) -> list[str]:
        """The user's jobs that wait or run."""
        site = next(site for site in sites() if site.name == self.system)
        listed = asyncio.run(queue_for(site).poll())
        return sorted(job for job, status in listed.items() if not status.state.ended)

    def delete_job(self, job: str) -> None:
        """Somebody deletes a job behind the pilot's back."""
        subprocess.run([self.delete, job], check=True, capture_output=True)

    def test_a_pilot_computes_grows_shrinks_heals_and_leaves_no_job(self) -> None:
        pilot = self.submit(2, cores=self.cores).wait(timeout=PATIENCE_S)
        try:
            assert sorted(running(pilot)) == self.jobs(), pilot.events()
            eventually(lambda: sorted(node.host for node in pilot.nodes) == sorted(self.hosts), "the next poll's hosts")
            client = pilot.client()
            assert sorted(client.run(socket.gethostname).values()) == sorted(self.hosts)
            assert client.submit(sum, [1, 2]).result(timeout=60) == 3

            pilot.shrink(1)
            eventually(lambda: len(self.jobs()) == 1, "the job of the node that left ends", within=PATIENCE_S)
            assert len(client.run(socket.gethostname)) == 1
            pilot.extend(1)
            eventually(lambda: len(running(pilot)) == 2, "the node that joined", within=PATIENCE_S)

            kept, deleted = running(pilot)
            self.delete_job(deleted)
            eventually(
                lambda: len(running(pilot)) == 2 and deleted not in running(pilot), "a new node", within=PATIENCE_S
            )
            assert kept in running(pilot)
            assert client.submit(sum, [3, 4]).result(timeout=60) == 7
        finally:
            pilot.cancel(timeout=PATIENCE_S)
        assert pilot.state is State.FINISHED
        eventually(lambda: not self.jobs(), "no job is left", within=PATIENCE_S)

    def test_a_pilot_that_finds_no_room_says_why_and_its_waiting_job_ends_with_it(self) -> None:
        with self.submit(len(self.hosts), cores=self.cores).wait(timeout=PATIENCE_S):
            second = self.submit(1, cores=self.cores)
            reason = eventually(lambda: second.nodes and second.nodes[0].reason, "a reason", within=PATIENCE_S)
            self.check_waiting(str(reason))
            eventually(
                lambda: second.state is State.PENDING and str(reason) in second.record.reason,
                "the pilot waits, for the reason of its node",
            )
            waiting = second.nodes[0].job
            second.cancel(timeout=PATIENCE_S)
            eventually(lambda: waiting not in self.jobs(), "the waiting job is gone", within=PATIENCE_S)
        eventually(lambda: not self.jobs(), "no job is left", within=PATIENCE_S)

    def check_waiting(self, reason: str) -> None:
        """What this batch system says of a job for which there is no room."""
        raise NotImplementedError

    def test_a_pilot_whose_supervisor_lives_in_its_first_job(self) -> None:
        pilot = self.submit(1, placement="job").wait(timeout=PATIENCE_S)
        try:
            supervisor = pilot.record.supervisor
            assert supervisor is not None
            assert supervisor.host in self.hosts
            pilot.extend(1).wait(timeout=PATIENCE_S)
            assert set(pilot.client().run(socket.gethostname).values()) <= set(self.hosts)
        finally:
            pilot.cancel(timeout=PATIENCE_S)
        assert pilot.state is State.FINISHED
        eventually(lambda: not self.jobs(), "no job is left", within=PATIENCE_S)

    def test_its_site_is_found_and_keeps_what_can_not_be_from_the_queue(self) -> None:
        with pytest.raises(InvalidInput, match=f"queue='nowhere': site '{self.system}' has"):
            self.submit(1, queue="nowhere")
        assert not ph.pilots()


def running(pilot: Pilot) -> list[str]:
    """Jobs of nodes that compute, the oldest first."""
    return [node.job for node in pilot.nodes if node.state is State.RUNNING]
