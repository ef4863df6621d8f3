"""Job scripts: the batch system's header, then what is the same everywhere."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.protocols import Job
from pilothouse.pilots.queues.several_hosts import NAME, clear_up, on_each_host

#: What no batch system takes for more than letters: ``%j``, ``$HOME``, ``host:path``, ``a,b`` and quotes are to some.
_PLAIN = re.compile(r"[A-Za-z0-9_./+=@-]+")
#: What ends a job whose set-up fails: bash's own trap for commands that fail. It counts lines from where it stands, and
#: heeds a line as a whole: not what fails inside of a function, where bash has none, or of a file that the line reads.
_TRAP = """\
start_failed() {
    echo "pilothouse: exit code $1 of '${start_lines[$2]-the set-up}': this node does not start" \\
        "(where that is no failure, write || true behind it)" >&2
    exit "$1"
}
start_depth=${#BASH_SOURCE[@]}
trap 'code=$?; [ ${#BASH_SOURCE[@]} -gt "$start_depth" ] || start_failed "$code" $((LINENO - start_line))' ERR
start_line=$LINENO"""
#: Environment Modules 3 returns 0 whatever happens: there, what is not loaded afterwards has failed.
_LOADED = 'module_is_loaded() { [[ -n ${LMOD_CMD-}${MODULES_CMD-} || ":${LOADEDMODULES-}:" == *":$1"[:/]* ]]; }'


def job_script(job: Job, header: str, start: str = "") -> str:
    """The script of `job` below `header`: set up the environment, be the node, clean up.

    Each line of the set-up (the site's prologue, modules, the environment to activate, in this order) that fails ends
    the job with that line in its log. Without an epilogue the node takes the shell's place, so that signals of the
    batch system reach it. The script holds paths of keys, never keys.

    Parameters
    ----------
    start
        For a job of several nodes: as for :func:`~pilothouse.pilots.queues.several_hosts.on_each_host`.
    """
    lines = _node(job) if job.nodes == 1 else on_each_host(job, _node(job), start)
    return "\n".join(["#!/bin/bash", *(header.split("\n") if header else []), "", *lines, ""])


def _node(job: Job) -> list[str]:
    """The lines that are one node."""
    own = dict(job.environment)
    python_path = own.pop("PYTHONPATH", "")
    lines = [*_exports(own), *_set_up(job)]
    if python_path:  # before what modules have there
        lines.append(f'export PYTHONPATH={shlex.quote(python_path)}"${{PYTHONPATH:+:$PYTHONPATH}}"')
    lines += _exports(job.description.environment.variables)
    command = _command(job)
    if job.nodes == 1 and not job.site.epilogue:
        return [*lines, f"exec {command}"]
    return [
        *lines,
        f"{command} &",
        "node=$!",
        'trap \'kill -TERM "$node"\' TERM INT',
        'wait "$node"; code=$?',
        'while kill -0 "$node" 2>/dev/null; do wait "$node"; code=$?; done',  # the first was cut short by a signal
        *([clear_up(job)] if job.nodes > 1 else []),
        *job.site.epilogue,
        'exit "$code"',
    ]  # fmt: skip


def _set_up(job: Job) -> list[str]:
    """The lines that may fail, between a trap that says which one did and its end; nothing where there are none."""
    environment = job.description.environment
    lines = list(job.site.prologue)
    for module in map(shlex.quote, environment.modules):
        lines += [f"module load {module}", f"module_is_loaded {module}"]
    if environment.conda:
        lines += ['eval "$(conda shell.bash hook)"', f"conda activate {shlex.quote(environment.conda)}"]
    if environment.venv:
        lines.append(f". {shlex.quote(f'{environment.venv}/bin/activate')}")
    if not lines:
        return []
    named = [f"    [{number}]={shlex.quote(line)}" for number, line in enumerate(lines, 1)]
    return ["start_lines=(", *named, ")", *([_LOADED] if environment.modules else []), _TRAP, *lines, "trap - ERR"]


def _exports(variables: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def _command(job: Job) -> str:
    words = [shlex.quote(word) for word in job.command]
    if job.count > 1 or job.nodes > 1:
        words[job.command.index(job.name)] = f'"${NAME}"'
    return " ".join(words)


def plain(path: str) -> bool:
    """Whether every batch system takes the path as it is written."""
    return _PLAIN.fullmatch(path) is not None


def member_line(job: Job, index: str) -> str:
    """The line by which a member of an array knows its name; it stands before all that needs it.

    Parameters
    ----------
    index
        Its index, from 0, as the shell computes it from what the batch system says.
    """
    stem, _, number = job.name.rpartition("-")
    return f"{NAME}={shlex.quote(stem)}-$(({number} + {index}))"


def log_word(job: Job) -> str:
    """The path of the log for the shell."""
    if job.count == 1:
        return shlex.quote(str(job.log))
    return f'{shlex.quote(str(job.log.parent))}/"${NAME}"{shlex.quote(job.log.suffix)}'


def own_log(job: Job, index: str = "") -> str:
    """The lines by which a job writes its own log, for batch systems that keep what it prints until it has ended.

    Parameters
    ----------
    index
        As for :func:`member_line`, where the batch system has arrays.
    """
    line = f"exec >>{log_word(job)} 2>&1"
    return line if job.count == 1 else f"{member_line(job, index)}\n{line}"


def logged(job: Job, index: str = "") -> tuple[str, str]:
    """The path of the job's log for the batch system, and the lines below the header that this takes.

    A path that may mean more to it than its letters is left to the job; so are those of an array.

    Parameters
    ----------
    index
        As for :func:`member_line`, where the batch system has arrays.
    """
    path = str(job.log)
    return (path, "") if job.count == 1 and plain(path) else ("/dev/null", f"\n{own_log(job, index)}")


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
