"""Versions of Python and Ray: all processes of a cluster must have the same ones."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pilothouse.errors import Refused


def here() -> dict[str, str]:
    """Of this process."""
    return {"python": platform.python_version(), "ray": version("ray")}


def check(head: Mapping[str, Any], who: str) -> None:
    """Whether this process may join.

    Parameters
    ----------
    head
        What the head has published.

    Raises
    ------
    Refused
        It has another Ray, or another Python up to the second number (of which pickles are).
    """
    own = here()
    theirs = {name: str(head[name]) for name in own}
    same = own["ray"] == theirs["ray"] and own["python"].split(".")[:2] == theirs["python"].split(".")[:2]
    if not same:
        raise Refused(
            f"{who} has Ray {own['ray']} with Python {own['python']}, the head on {head.get('node', 'its node')} Ray "
            f"{theirs['ray']} with Python {theirs['python']}: these don't understand each other; install the same ones"
        )
