"""A run of tasks, from its specification."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pilothouse.tasks.places import SPECIFICATION

if TYPE_CHECKING:
    from pilothouse.registry.naming import Exist


def launch_tasks(
    launch: Callable[..., Any], specification: dict[str, Any], work: str | None, name: str | None, exist: Exist,
    *, kind: str = "tasks", files: Mapping[str, bytes | Sequence[memoryview]] | None = None,
) -> Any:  # fmt: skip
    """Launch it; returns its :class:`~pilothouse.tasks.handle.Task`.

    Parameters
    ----------
    launch
        :meth:`pilothouse.Pilot.launch` of the pilot.
    work
        The working folder; None for one in the run's own.
    kind, files
        Of the run; what it needs beside its specification.
    """
    tasks = specification["tasks"]
    shown = {key: specification[key] for key in ("cores", "gpus", "ranks", "retries", "stage", "timeout", "through")}
    names = [each.get("run") or each["key"] for each in specification["after"]]
    command = shlex.join(tasks[0]["argv"])
    parameters = {"command": command[:500], "tasks": len(tasks), "after": names, **shown}
    own = {SPECIFICATION: json.dumps({**specification, "work": work}).encode()}
    return launch(kind, parameters, name=name, files={**own, **(files or {})}, exist=exist)
