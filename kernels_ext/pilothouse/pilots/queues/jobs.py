"""From a pilot's record to its jobs: a node, or the supervisor with the first node beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pilothouse.errors import NotFound
from pilothouse.pilots.queues.job_script import job_script
from pilothouse.pilots.queues.protocols import ONE_BLAS_THREAD, TOGETHER, Job, arrays_of, member, node_command
from pilothouse.pilots.queues.surroundings import carried
from pilothouse.pilots.sites.description import NodeKind, PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.folders import SCHEDULER
from pilothouse.registry.history import all_nodes
from pilothouse.registry.line.tls import tls_files
from pilothouse.registry.liveness import scratch_folder
from pilothouse.registry.naming import tag
from pilothouse.registry.records import FIRST, PILOTS, NodeRecord, PilotRecord
from pilothouse.state import home, utcnow, write_atomic


def node_arguments(record: PilotRecord, node: str, kind: NodeKind) -> list[str]:
    """The command line of :mod:`pilothouse.pilots.node.node`: paths and sizes, no secrets."""
    site = Site.model_validate(record.settings)
    folder = PILOTS.root / record.name
    tls = tls_files(folder)
    arguments = [
        "--name", node, "--record", str(PILOTS.path(record.name)),
        "--scheduler-file", str(folder / SCHEDULER),
        "--tls-cert", tls["tls_cert"], "--tls-key", tls["tls_key"],
        "--cores", str(kind.cores), "--memory", str(int(kind.memory or 0)),
        "--patience", f"{site.patience:g}", "--grace", f"{site.grace:g}",
    ]  # fmt: skip
    if kind.resources:
        arguments += ["--resources", json.dumps(kind.resources)]
    if record.lease_end is not None:
        arguments += ["--until", f"{record.lease_end.timestamp():.0f}"]
    if site.system == "local":
        return [*arguments, "--host", "127.0.0.1", "--folder", str(scratch_folder(record.name) / node)]
    scratch = str(record.description.get("scratch") or site.scratch)
    if scratch:
        arguments += ["--scratch", scratch]
    if site.interface:
        arguments += ["--interface", site.interface]
    return arguments


def node_job(record: PilotRecord, node: NodeRecord, kind: NodeKind) -> Job:
    """The job of a node, or of several the first of which it is, as the site has it."""
    site = Site.model_validate(record.settings)
    command = node_command(node_arguments(record, node.name, kind), site)
    return dataclasses.replace(_job(record, node, kind, command), nodes=site.nodes_per_job)


def supervisor_job(record: PilotRecord, node: NodeRecord, kind: NodeKind, after: str = "") -> Job:
    """The job that holds the supervisor, and the node `node` beside it; it may wait for the end of job `after`."""
    site = Site.model_validate(record.settings)
    command = [site.python or sys.executable, "-m", "pilothouse.pilots.supervisor.owner", record.name, node.name]
    return _job(record, node, kind, command, after)


def first_jobs(description: PilotDescription, site: Site, name: str) -> dict[str, Job]:
    """The job of the first node of each kind of a pilot that is not there yet, with those submitted along with it."""
    stored = description.model_dump(mode="json", exclude={"name", "site"})
    record = PilotRecord(
        name=name, site=site.name, created=utcnow(), description=stored, settings=site.model_dump(mode="json"),
        lease_end=utcnow() + timedelta(seconds=description.lease),
    )  # fmt: skip
    most = _together(site)
    jobs, number = {}, record.next_node
    for kind, nodes in description.wanted().items():
        job = node_job(record, NodeRecord(name=f"{name}-{number}", kind=kind), description.kind(kind))
        alone = kind == FIRST and (description.placement or site.placement) == "job"  # the supervisor is in it
        jobs[kind] = replace(job, count=1 if alone else min(nodes, most) or 1)
        number += nodes
    return jobs


def _together(site: Site) -> int:
    """The most nodes that are submitted there with one command."""
    from pilothouse.pilots.queues import queue_for

    return TOGETHER if site.system != "local" and arrays_of(queue_for(site), site) else 1


def written(job: Job) -> str:
    """The script of `job`."""
    from pilothouse.pilots.queues import queue_for

    return job_script(job, "") if job.site.system == "local" else queue_for(job.site).script(job)


def script_of(record: PilotRecord, node: str | None) -> str:
    """The script with which `node` was submitted, or the one for the next node."""
    if node is not None:
        known = next((each for each in all_nodes(record) if each.name == node), None)
        first = known.first if known is not None else node  # what is known of a node may be lost, with a full home
        try:
            return _kept(record, first).read_text(encoding="utf-8")
        except FileNotFoundError:
            waiting = next((each for each in record.nodes if each.name == first and not each.job), None)
        if waiting is None or waiting.role != "node":
            raise NotFound(f"node={node!r}: the pilot {record.name!r} has no such node", field="node")
        return written(node_job(record, waiting, _description(record).kind(waiting.kind)))  # not submitted yet
    return written(node_job(record, NodeRecord(name=f"{record.name}-{record.next_node}"), _description(record).kind()))


def keep_script(record: PilotRecord, job: Job, script: str) -> None:
    """Keep what `job` is submitted with, for :func:`script_of`; a full home is no reason not to submit it."""
    last = f"-{member(job.name, job.count - 1).rpartition('-')[2]}" if job.count > 1 else ""
    with contextlib.suppress(OSError):
        write_atomic(PILOTS.folder(record.name) / f"{job.name}{last}.sh", script.encode())


def _kept(record: PilotRecord, node: str) -> Path:
    """The file of the script with which `node` was submitted; an array's is called after its first and its last."""
    folder, (pilot, _, number) = PILOTS.root / record.name, node.rpartition("-")
    if pilot == record.name and number.isdecimal():
        for path in folder.glob(f"{pilot}-*-*.sh"):
            first, last = path.stem.removeprefix(f"{pilot}-").split("-")
            if int(first) <= int(number) <= int(last):
                return path
    return folder / f"{node}.sh"


def _description(record: PilotRecord) -> PilotDescription:
    return PilotDescription.model_validate({**record.description, "site": record.site})


def _job(record: PilotRecord, node: NodeRecord, kind: NodeKind, command: list[str], after: str = "") -> Job:
    site = Site.model_validate(record.settings)
    if kind.walltime and record.lease_end is not None:  # no job outlives the lease
        left = (record.lease_end - utcnow()).total_seconds()
        kind = kind.model_copy(update={"walltime": max(min(kind.walltime, left + 60), 60)})
    local = site.system == "local"
    environment = dict(ONE_BLAS_THREAD)
    if not local:  # a process of this host has them from its parent
        # A supervisor in a job has its own twice: it came with the job, and was put before that.
        path = ":".join(dict.fromkeys(os.environ.get("PYTHONPATH", "").split(":")))
        environment |= {"PILOTHOUSE_HOME": str(home()), "PYTHONPATH": path, **carried(site.system)}
        environment |= {name: value for name, value in os.environ.items() if name in ("SLURM_CONF", "PILOTHOUSE_SITES")}
    return Job(
        name=node.name,
        tag=tag(node.name),
        command=command,
        log=PILOTS.root / record.name / f"{node.name}.log",
        description=_description(record),
        kind=kind,
        site=site,
        environment=environment,
        after=after,
        scratch=scratch_folder(record.name) / node.name if local else None,
    )
