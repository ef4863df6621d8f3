"""Batch commands: argument lists with a time-out, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.surroundings import cleaned

#: As much as any listing of a user's jobs needs; a command that prints more has gone mad.
_LIMIT = 64 * 2**20


async def output(
    argv: Sequence[str],
    *,
    timeout: float,  # noqa: ASYNC109 - what comes of it is an error of the batch system's, not TimeoutError
    text: str = "",
    system: str = "",
    environment: Mapping[str, str] | None = None,
    errors: bool = False,
    unreachable: re.Pattern[str] | None = None,
) -> str:
    """What the command prints.

    Parameters
    ----------
    timeout
        Seconds; the command is killed then.
    text
        For its standard input.
    system
        The batch system whose command it is: what our environment sets for it is set aside.
    environment
        Variables beside our own.
    errors
        Whether what it prints to standard error is wanted too.
    unreachable
        What it says when the batch system itself does not answer.

    Raises
    ------
    Refused
        It ended with an error: the message is what it said.
    Unavailable
        There is no such command, it did not end in time, or the batch system does not answer it.
    """
    # What it prints is parsed: in plain English, with English dates.
    settings = {**cleaned(system), "LC_ALL": "C", **(environment or {})}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if text else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=settings,
            limit=_LIMIT,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"the command {argv[0]} can't be run here: {error.strerror or error}") from None
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(text.encode() if text else None)
    except TimeoutError:
        raise Unavailable(f"the command {argv[0]} did not answer within {timeout:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()
    if process.returncode:
        said = "\n".join(part.decode(errors="replace").strip() for part in (err, out) if part.strip())
        if unreachable is not None and unreachable.search(said):
            raise Unavailable(f"the batch system does not answer {argv[0]}: {said}")
        raise Refused(f"{argv[0]}: {said or f'exit code {process.returncode}'}")
    return (err + out if errors else out).decode(errors="replace")


@contextlib.contextmanager
def forgiving(gone: re.Pattern[str]) -> Iterator[None]:
    """No error when a command that deletes jobs refuses only those that are `gone`, each line of what it says."""
    try:
        yield
    except Refused as error:
        if not all(gone.search(line) for line in str(error).splitlines() if line.strip()):
            raise
