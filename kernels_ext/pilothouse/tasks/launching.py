"""A run of the kind ``tasks``, from its specification."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pilothouse.tasks.places import SPECIFICATION

if TYPE_CHECKING:
    from pilothouse.registry.naming import Exist


def launch_tasks(
    launch: Callable[..., Any], specification: dict[str, Any], work: str | None, name: str | None, exist: Exist
) -> Any:
    """Launch it; returns its :class:`~pilothouse.tasks.handle.Task`.

    Parameters
    ----------
    launch
        :meth:`pilothouse.Pilot.launch` of the pilot.
    work
        The working folder; None for one in the run's own.
    """
    tasks = specification["tasks"]
    shown = {key: specification[key] for key in ("cores", "gpus", "ranks", "retries", "stage", "timeout", "through")}
    names = [each.get("run") or each["key"] for each in specification["after"]]
    command = shlex.join(tasks[0]["argv"])
    parameters = {"command": command[:500], "tasks": len(tasks), "after": names, **shown}
    files = {SPECIFICATION: json.dumps({**specification, "work": work}).encode()}
    return launch("tasks", parameters, name=name, files=files, exist=exist)
