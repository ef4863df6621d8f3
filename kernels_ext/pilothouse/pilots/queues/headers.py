"""dask-jobqueue: it knows how each batch system wants to be asked. Its job classes write our jobs' headers."""

from __future__ import annotations

import importlib
import signal
import sys
import warnings
from typing import Any

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.protocols import Job

#: Batch system -> dask-jobqueue's class for one job of it.
CLASSES = {
    "slurm": "SLURMJob",
    "sge": "SGEJob",
    "oar": "OARJob",
    "pbs": "PBSJob",
    "lsf": "LSFJob",
    "htcondor": "HTCondorJob",
}


def dask_job(
    system: str, job: Job, *, walltime: str | None, directives: list[str] | dict[str, object], **options: Any
) -> Any:
    """dask-jobqueue's object for `job`: its ``job_header`` is the header of the script.

    HTCondor's has a ``job_header_dict`` instead, and knows no walltime.

    Parameters
    ----------
    system
        dask-jobqueue's word for the batch system: a key of :data:`CLASSES`.
    walltime
        As the batch system writes it; None for none.
    directives
        More lines of the header, without the batch system's mark; for HTCondor, more entries of its description.
    options
        What this class has beside what all have: ``queue``, ``account``, ``resource_spec`` ...

    Raises
    ------
    Unavailable
        dask-jobqueue is not installed.
    """
    try:
        import dask

        module = _imported(f"dask_jobqueue.{system}")
    except ImportError as error:
        raise Unavailable(
            f"batch systems need dask-jobqueue ({error}): pip install 'pilothouse[batch]'", field="site"
        ) from None
    # A user's own configuration of dask-jobqueue may say who pays and where jobs go, but not what they are.
    settings = dict(next(each["jobqueue"][system] for each in dask.config.defaults if "jobqueue" in each))
    settings |= {key: dask.config.get(f"jobqueue.{system}.{key}", None) for key in ("queue", "account", "project")}
    settings["walltime"] = None
    with warnings.catch_warnings(), dask.config.set({f"jobqueue.{system}": settings}):
        warnings.simplefilter("ignore")  # about workers and memory rounding, which are ours
        return getattr(module, CLASSES[system])(
            name=job.name,
            job_name=job.tag,
            cores=job.kind.cores,
            memory=int(job.kind.memory or 0) or "1 GiB",
            processes=1,
            **({} if walltime is None else {"walltime": walltime}),
            job_extra_directives=directives,
            **options,
        )


def _imported(name: str) -> Any:
    """The module, without the handler of SIGINT that dask_jobqueue.runner (0.9.0) sets when it is imported.

    It would end a kernel that the user only interrupts, take the supervisor's own, and fail in every other thread.
    """
    if name in sys.modules:
        return sys.modules[name]
    real = signal.signal
    signal.signal = lambda number, _: signal.getsignal(number)  # type: ignore[assignment]
    try:
        return importlib.import_module(name)
    finally:
        signal.signal = real


def clock(seconds: float) -> str:
    """A walltime as ``HH:MM:SS``."""
    whole = max(int(seconds), 1)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
