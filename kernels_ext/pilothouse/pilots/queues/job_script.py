"""Job scripts: the batch system's header, then what is the same everywhere."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.protocols import Job


def job_script(job: Job, header: str) -> str:
    """The script of `job` below `header`: set up the environment, be the node, clean up.

    Without an epilogue the node takes the shell's place, so that signals of the batch system reach it. It holds
    paths of keys, never keys.
    """
    environment = job.description.environment
    lines = ["#!/bin/bash", *header.splitlines(), ""]
    lines += [f"module load {shlex.quote(module)}" for module in environment.modules]
    if environment.conda:
        lines += ['eval "$(conda shell.bash hook)"', f"conda activate {shlex.quote(environment.conda)}"]
    if environment.venv:
        lines.append(f". {shlex.quote(f'{environment.venv}/bin/activate')}")
    variables = {**job.environment, **environment.variables}
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines += job.site.prologue
    command = shlex.join(job.command)
    if not job.site.epilogue:
        return "\n".join([*lines, f"exec {command}", ""])
    return "\n".join([
        *lines,
        f"{command} &",
        "node=$!",
        'trap \'kill -TERM "$node"\' TERM INT',
        'while kill -0 "$node" 2>/dev/null; do wait "$node"; code=$?; done',
        *job.site.epilogue,
        'exit "$code"',
        "",
    ])  # fmt: skip


def own_log(job: Job) -> str:
    """The line by which a job writes its own log, for batch systems that hand over what it prints when it has ended."""
    return f"exec >>{shlex.quote(str(job.log))} 2>&1"


async def write_program(path: Path, text: str) -> None:
    """Write what a job runs to `path`, beside its log, off the event loop: a shared file system may be slow.

    Raises
    ------
    Unavailable
        It can't be written.
    """

    def write() -> None:
        path.write_text(text)
        path.chmod(0o700)

    try:
        await asyncio.to_thread(write)
    except OSError as error:
        raise Unavailable(f"the job script {path} can't be written: {error.strerror or error}") from None
