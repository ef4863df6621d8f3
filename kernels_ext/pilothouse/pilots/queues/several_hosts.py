"""A job with several nodes: its script writes down what each of its hosts runs, and starts that there.

It is a file, no argument: anybody can see command lines, and users' variables are in it. Each host does all of the
set-up, for what that makes (folders, limits, services) may be its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from pilothouse.pilots.queues.protocols import Job

#: The shell's variables for the name of the node, and for the file of what each host runs.
NAME, EACH = "pilothouse_node", "pilothouse_each"
#: How the file is called in which a node of several says where it is, and how it has ended.
PROCESS = ".process"
#: What stands behind what each host runs.
_END = "END_OF_NODE"
#: Lines for batch systems whose job starts a process for each node: their signals are for all, and all are waited for.
TRAP = "trap 'kill -TERM $(jobs -pr) 2>/dev/null' TERM INT"
WAIT = 'while [ -n "$(jobs -pr)" ]; do wait; done'


def on_each_host(job: Job, node: Sequence[str], start: str) -> list[str]:
    """The lines of a job that has several nodes.

    Parameters
    ----------
    node
        The lines that are the node called :data:`NAME`.
    start
        The lines that run ``/bin/bash "$pilothouse_each" RANK`` for each rank from 0 up, on a host each, until all end.
    """
    stem, _, number = job.name.rpartition("-")
    folder = shlex.quote(str(job.log.parent))
    each = [
        f"{NAME}={shlex.quote(stem)}-$(({number} + $1))",
        f'exec >>{folder}/"${NAME}"{job.log.suffix} 2>&1',
        f'pilothouse_process={folder}/"${NAME}"{PROCESS}',
        'echo "${SLURMD_NODENAME:-$(hostname)}" >"$pilothouse_process"',  # Slurm's name for it, where it has one
        'trap \'echo "$?" >>"$pilothouse_process"\' EXIT',
        *node,
    ]
    end = _END
    while end in "\n".join(each).split("\n"):
        end += "_"
    path = shlex.quote(str(job.log.with_suffix(".node")))
    return [f"{EACH}={path}", f"cat >\"${EACH}\" <<'{end}' || exit", *each, end, start]


def clear_up(job: Job) -> str:
    """The line that ends what a node's process has left when it died: its job goes on, so the batch system does not."""
    return f'[ "$code" -eq 0 ] || {shlex.quote(job.command[0])} -m pilothouse.pilots.node.ended "${NAME}" "$node"'


def process_of(folder: Path, node: str) -> tuple[str, int | None]:
    """The host of a node that has others in its job, and the exit code of its process; empty and None while unknown.

    The file is there from the process's begin: of one that is new, hosts that share a folder hear late.
    """
    try:
        host, *code = (folder / f"{node}{PROCESS}").read_text(encoding="utf-8").split()
        return host, int(code[0]) if code else None
    except (OSError, ValueError):
        return "", None
