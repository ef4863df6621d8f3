"""``pilot.executor``: which executors there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from pilothouse.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from pilothouse.engines.executors.futures import Executor
    from pilothouse.engines.executors.parsl import PilotExecutor

KINDS = ("futures", "parsl")


class Offers:
    """What a pilot can be for libraries that submit calls to an executor."""

    @overload
    def executor(self, kind: Literal["futures"] = "futures", *, retries: int = 0) -> Executor: ...

    @overload
    def executor(self, kind: Literal["parsl"], *, retries: int = 0, label: str = "pilothouse") -> PilotExecutor: ...

    def executor(self, kind: str = "futures", *, retries: int = 0, label: str | None = None) -> Any:
        """An executor whose calls run on the pilot's nodes, as those of :meth:`client` do.

        Parameters
        ----------
        kind
            ``"futures"`` is a :class:`concurrent.futures.Executor`; ``"parsl"`` one for a ``parsl.Config`` (extra:
            ``parsl``).
        retries
            How often a call that raises is tried again. That its node goes away does not count.
        label
            How Parsl calls it.

        Raises
        ------
        InvalidInput
            There is no such kind, or a value can't be.
        Unavailable
            Parsl is not installed.

        Examples
        --------
        >>> with pilot.executor() as executor:  # doctest: +SKIP
        ...     list(executor.map(pow, range(4), [2] * 4))
        [0, 1, 4, 9]
        >>> parsl.load(parsl.Config(executors=[pilot.executor("parsl")]))  # doctest: +SKIP
        """
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise InvalidInput(f"retries={retries!r}: a whole number, 0 or more", field="retries")
        if kind not in KINDS:
            raise InvalidInput(f"kind={kind!r}: there are {', '.join(map(repr, KINDS))}", field="kind")
        if kind == "futures":
            if label is not None:
                raise InvalidInput(f"label={label!r}: only executors of Parsl have one", field="label")
            from pilothouse.engines.executors.futures import Executor

            return Executor(self, retries=retries)
        try:
            from pilothouse.engines.executors.parsl import PilotExecutor
        except ModuleNotFoundError as error:
            package = str(error.name).partition(".")[0]
            raise Unavailable(
                f"kind='parsl': {package} is not installed here: pip install 'pilothouse[parsl]'", field="kind"
            ) from None
        return PilotExecutor(self, label=label or "pilothouse", retries=retries)
