"""Queues that are wrong in one way each: the contract has to notice."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pilothouse.pilots.queues.pbs import PBSQueue
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.sites.site import QueueLimits
from pilothouse.registry.records import State


class Sound(PBSQueue):
    """Nothing is wrong with it."""


class Optimist(PBSQueue):
    """Says of each job that has ended that it ended well."""

    async def poll(self) -> dict[str, JobStatus]:
        return {job: _well(status) for job, status in (await super().poll()).items()}

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        return {job: _well(status) for job, status in (await super().history(ids)).items()}


def _well(status: JobStatus) -> JobStatus:
    ended = status.state.ended
    return dataclasses.replace(status, state=State.FINISHED, exit_code=0, reason="") if ended else status


class Anonymous(PBSQueue):
    """Does not say whose a job is."""

    async def poll(self) -> dict[str, JobStatus]:
        return {job: dataclasses.replace(status, tag="") for job, status in (await super().poll()).items()}

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        return {job: dataclasses.replace(status, tag="") for job, status in (await super().history(ids)).items()}


class Limitless(PBSQueue):
    """Knows no limits of its queues."""

    async def limits(self) -> list[QueueLimits]:
        return [queue.model_copy(update={"cores": None}) for queue in await super().limits()]


class Nameless(PBSQueue):
    """Does not say which queues there are."""

    async def limits(self) -> list[QueueLimits]:
        return []
