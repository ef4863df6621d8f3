"""The handle of a job that a notebook holds."""

from __future__ import annotations

from pilothouse.errors import NotFound
from pilothouse.market.customer.result import Model, TrainingResult
from pilothouse.runs.handle import Run


class Job(Run):
    """A run of kind ``training``.

    Raises
    ------
    NotFound
        The run of that name is of another kind.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        if self.kind != "training":
            raise NotFound(f"{name!r} is a run of kind {self.kind!r}, not a training job", field="name")

    def model(self, timeout: float | None = None) -> Model:
        """Wait for the end of the job and return the trained classifier; raises as :meth:`result`."""
        result: TrainingResult = self.result(timeout)
        return result.model()
