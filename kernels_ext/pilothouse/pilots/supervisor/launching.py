"""Start a supervisor: detached on this host, or inside a batch job."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.jobs import keep_script, supervisor_job
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry import owning
from pilothouse.registry.folders import SUPERVISOR_LOG
from pilothouse.registry.liveness import scratch_folder
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, State
from pilothouse.state import utcnow
from pilothouse.sync import blocking


def launch_here(name: str) -> None:
    """Start the supervisor of pilot `name` as nobody's child."""
    try:
        with Path(PILOTS.folder(name), SUPERVISOR_LOG).open("ab") as log:
            subprocess.run(
                [sys.executable, "-m", "pilothouse.pilots.supervisor.detach", name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": search_path(),
                    "DASK_TEMPORARY_DIRECTORY": str(scratch_folder(name)),
                },
                check=True,
            )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"the supervisor can't be started: {error}") from None


def launch_in_job(record: PilotRecord) -> None:
    """Submit the job that holds the supervisor and the pilot's first node.

    Raises
    ------
    Refused, Unavailable
        The batch system said no, or nothing.
    """
    kind = PilotDescription.model_validate({**record.description, "site": record.site}).kind()
    node = NodeRecord(
        name=f"{record.name}-{record.next_node}",
        role="first",
        cores=kind.cores or 1,
        submitted=utcnow(),
        since=utcnow(),
    )
    record.next_node += 1
    record.nodes.append(node)
    record.reason = "the job that holds the supervisor waits in the queue"
    PILOTS.folder(record.name)  # for the log
    owning.write(record)  # before the batch system hears of it: a job must never be without a record
    job = supervisor_job(record, node, kind)
    job = dataclasses.replace(job, environment={**job.environment, "PYTHONPATH": search_path()})
    queue = queue_for(Site.model_validate(record.settings))
    keep_script(record, job, queue.script(job))
    number = blocking(queue.submit(job))

    def note(latest: PilotRecord) -> bool:
        if latest.state is not State.PENDING or latest.supervisor is not None:  # the supervisor is there, and knows
            return False
        latest.nodes[0].job = number
        return True

    owning.change(PILOTS, record, note)


def search_path() -> str:
    """Where this process finds modules beyond its installation: the nodes shall find a notebook's neighbours too."""
    installed = tuple({sys.prefix, sys.base_prefix})
    places = [os.path.abspath(place) for place in sys.path]
    own = [place for place in places if not place.startswith(installed) and os.path.isdir(place)]
    return os.pathsep.join(dict.fromkeys(own))
