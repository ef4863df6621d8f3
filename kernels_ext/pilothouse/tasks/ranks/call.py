"""``pilot.mpi``: a Python function on MPI ranks."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pilothouse.errors import InvalidInput

if TYPE_CHECKING:
    from pilothouse.registry.naming import Exist
    from pilothouse.tasks.ranks.handle import Ranks


class MPI:
    """What a pilot can do with MPI."""

    def mpi(
        self,
        function: Callable[..., Any],
        *args: Any,
        ranks: int,
        cores: int = 1,
        gpus: int = 0,
        env: Mapping[str, Any] | None = None,
        after: Any = (),
        retries: int = 0,
        folder: str | os.PathLike[str] | None = None,
        timeout: float | str | None = None,
        launcher: str | Sequence[str] | None = None,
        name: str | None = None,
        exist: Exist = "number",
    ) -> Ranks:
        """Call ``function(comm, *args)`` on MPI ranks over the pilot's nodes, and return at once.

        Parameters
        ----------
        function
            ``comm`` is mpi4py's ``MPI.COMM_WORLD`` with `ranks` ranks. It may be of a notebook; what it imports has to
            be there on the nodes, or in a folder of this process's ``sys.path`` that they see.
        args
            The same on all ranks. Large arrays are written once; the ranks of a node map them from there, and each
            has for itself what it writes to. Keywords: :func:`functools.partial`.
        ranks
            How many: on one node where they fit, else on whole nodes.
        cores, gpus
            Of each rank.
        env, after, retries, folder, timeout, name, exist
            As for :meth:`~pilothouse.Pilot.execute`.
        launcher
            The command that starts MPI programs, of the MPI that mpi4py has on the nodes; when left out,
            ``$PILOTHOUSE_MPIEXEC`` on the node, or that of the nodes' Python environment (the package ``mpich``), or
            the first one on ``PATH``. Ranks on several nodes want mpich's.

        Returns
        -------
        Ranks
            Its :meth:`~pilothouse.tasks.ranks.handle.Ranks.result` is the list of what the ranks returned.

        Raises
        ------
        InvalidInput
            A value can't be; nothing was started.
        Conflict
            Something that goes on has that name, or something in `after` has failed already.

        Examples
        --------
        >>> def total(comm, values):
        ...     return comm.allreduce(sum(values[comm.rank :: comm.size]))
        >>> pilot.mpi(total, range(100), ranks=4).result()  # doctest: +SKIP
        [4950, 4950, 4950, 4950]
        """
        from pilothouse.tasks.executing import checked
        from pilothouse.tasks.ranks import ends

        if isinstance(ranks, bool) or not isinstance(ranks, int) or ranks < 1:
            raise InvalidInput(f"ranks={ranks!r}: a whole number, 1 or more", field="ranks")
        title = _check(function, args)
        path = [os.path.abspath(entry) for entry in sys.path]
        files: dict[str, bytes | Sequence[memoryview]] = {
            ends.CALL: _packed(function, args, title), ends.PATH: json.dumps(path).encode(),
        }  # fmt: skip
        found = checked(
            self, [([title], None)], False, env, (), (), after, folder, name, exist, kind="mpi", files=files,
            cores=cores, gpus=gpus, ranks=ranks, retries=retries, stage="link", timeout=timeout, launcher=launcher,
            through="pilothouse",
        )  # fmt: skip
        return cast("Ranks", found)


def _check(function: Any, args: tuple[Any, ...]) -> str:
    """How the function is called, which takes the communicator and `args`."""
    if not callable(function):
        raise InvalidInput(f"function={function!r}: something that can be called", field="function")
    inner = getattr(function, "func", function)  # of functools.partial
    title = str(getattr(inner, "__name__", type(inner).__name__))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of C
        return title
    try:
        signature.bind(None, *args)
    except TypeError as error:
        raise InvalidInput(
            f"function={title}{signature} is called as {title}(comm, *args), comm is MPI.COMM_WORLD: {error}",
            field="function",
        ) from None
    return title


def _packed(function: Any, args: tuple[Any, ...], title: str) -> list[memoryview]:
    from pilothouse.tasks.ranks.packed import pieces

    try:
        return pieces((function, args))
    except Exception as error:  # whatever an object's own pickling raises
        raise InvalidInput(
            f"function={title}: it, or one of args, can't be pickled, which it must be to get to its ranks: {error}",
            field="function",
        ) from error
