"""How much memory a job has for which none was asked: what the batch system gave it.

Dask looks at the host, and at the limit of the whole host's or container's control group; those of jobs are below it.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

#: Where control groups are mounted; the memory controller's own hierarchy (version 1) is below.
_MOUNT = Path("/sys/fs/cgroup")


def job_memory(
    environment: Mapping[str, str] = os.environ, groups: str | None = None, mount: Path = _MOUNT
) -> int | None:
    """Bytes that this process's job may use: the least of what limits it; None where nothing does.

    Parameters
    ----------
    environment
        Of the job: variables of Slurm, or of ours where a batch system has none, are in it.
    groups
        What ``/proc/self/cgroup`` says; read when left out.
    mount
        Where the control groups are.
    """
    if groups is None:
        with contextlib.suppress(OSError):
            groups = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    limits = [*_told(environment), *_control_groups(groups or "", mount), *_resources()]
    host = psutil.virtual_memory().total
    return min((limit for limit in limits if 0 < limit < host), default=None)


def _told(environment: Mapping[str, str]) -> Iterator[int]:
    """Our own says bytes; Slurm's MiB, of the node or of each core."""
    with contextlib.suppress(KeyError, ValueError):
        yield int(environment["PILOTHOUSE_NODE_MEMORY"])
    with contextlib.suppress(KeyError, ValueError):
        yield int(environment["SLURM_MEM_PER_NODE"]) * 2**20
    with contextlib.suppress(KeyError, ValueError):
        yield int(environment["SLURM_MEM_PER_CPU"]) * int(environment["SLURM_CPUS_ON_NODE"]) * 2**20


def _control_groups(text: str, mount: Path) -> Iterator[int]:
    """The limits of the process's own control group and of those around it, but for the outermost, which Dask knows."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            top, file = mount, "memory.max"
        elif "memory" in controllers.split(","):
            top, file = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = top / path.lstrip("/")
        while folder != top and top in folder.parents:
            with contextlib.suppress(OSError, ValueError):  # there is none, or it is "max"
                yield int((folder / file).read_text(encoding="utf-8"))
            folder = folder.parent


def _resources() -> Iterator[int]:
    """What a shell calls ``ulimit -v``: how Grid Engine (``h_vmem``) and PBS hold jobs."""
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_RSS):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit
