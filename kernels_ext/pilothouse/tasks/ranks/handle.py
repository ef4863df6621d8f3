"""The handle of a Python function on MPI ranks."""

from __future__ import annotations

import contextlib
from typing import Any

from pilothouse.errors import Failed
from pilothouse.tasks.handle import Task
from pilothouse.tasks.ranks import ends


class Ranks(Task):
    """A Python function on MPI ranks (``pilot.mpi``). ``stdout()`` and ``stderr()`` have each rank's number in front.

    Parameters
    ----------
    name
        Of a run of the kind ``mpi``.
    """

    _files = (ends.CALL, ends.PATH)

    def result(self, timeout: float | None = None) -> list[Any]:
        """Wait for the end.

        Returns
        -------
        list
            What the function returned, by rank.

        Raises
        ------
        Failed
            It raised on a rank (the first one to do so is named, with its traceback; its own error is the cause of
            this one), a rank died, or it can't be started, and why.
        Lost
            Its pilot was lost.
        WaitTimeout
            It goes on after `timeout` seconds.
        """
        try:
            found: list[Any] = super().result(timeout)
        except Failed as error:
            raise error from self._cause()
        return found

    def _cause(self) -> BaseException | None:
        """What was raised on the rank that failed first, where it can be had."""
        from pilothouse.tasks.ranks.packed import load

        cause = None
        if said := ends.first(self.folder):
            with contextlib.suppress(Exception):  # its class may not be there
                cause = load(ends.error(self.folder, said["rank"]))
        return cause if isinstance(cause, BaseException) else None
