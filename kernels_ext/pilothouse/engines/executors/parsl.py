"""A pilot as an executor of Parsl's: apps run on its nodes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from parsl.executors.base import ParslExecutor
from parsl.executors.errors import InvalidResourceSpecification
from parsl.monitoring.radios.base import RadioConfig
from parsl.monitoring.radios.filesystem import FilesystemRadio
from parsl.utils import RepresentationMixin

from pilothouse.engines.executors.futures import Executor


class PilotExecutor(ParslExecutor, RepresentationMixin):  # type: ignore[misc]
    """Runs the apps of a Parsl configuration on the nodes of a pilot: made by :meth:`pilothouse.Pilot.executor`.

    The pilot is not Parsl's: it grows, shrinks and ends by its own means, and outlives the configuration.

    Parameters
    ----------
    pilot
        What has ``client()``, ``name``, ``state`` and ``reason``.
    label
        How Parsl calls it.
    retries
        How often a call that raises is tried again, beside those of the configuration.
    remote_monitoring_radio
        How apps report to Parsl's monitoring; through files, when left out.
    """

    def __init__(
        self,
        pilot: Any,
        label: str = "pilothouse",
        retries: int = 0,
        remote_monitoring_radio: RadioConfig | None = None,
    ) -> None:
        super().__init__()
        self.pilot, self.label, self.retries = pilot, label, retries
        self.remote_monitoring_radio = remote_monitoring_radio or FilesystemRadio()
        self._executor: Executor | None = None

    def start(self) -> None:
        """Begin; raises what :meth:`pilothouse.Pilot.client` does where the pilot has ended."""
        self.pilot.client()
        self._executor = Executor(self.pilot, retries=self.retries)

    def submit(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Have an app called on a node.

        Raises
        ------
        InvalidResourceSpecification
            It asks for something other than a ``priority``: calls share their node's cores and memory.
        """
        if unknown := set(resource_specification) - {"priority"}:
            raise InvalidResourceSpecification(
                unknown, "A pilot's nodes take 'priority' alone: apps share their cores and memory. What needs some "
                "for itself is an executable, pilot.execute(..., cores=), or an MPI function, pilot.mpi()",
            )  # fmt: skip
        if self._executor is None:
            raise RuntimeError(f"the executor {self.label!r} was not started: parsl.load() does it")
        # Parsl's highest priority is the smallest number.
        return self._executor.start(func, args, kwargs, priority=-int(resource_specification.get("priority", 0)))

    def shutdown(self) -> None:
        """End, when what was submitted has ended. The pilot goes on."""
        if self._executor is not None:
            self._executor.shutdown()
        super().shutdown()

    def monitor_resources(self) -> bool:
        """No: apps share their node's process."""
        return False
