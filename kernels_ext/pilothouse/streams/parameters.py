"""What a source or a processor is told, checked: a number that can't be is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.errors import InvalidInput


def number(parameters: Mapping[str, Any], name: str, least: float, most: float = float("inf")) -> Any:
    """``parameters[name]``, a number of at least `least` and at most `most`.

    Raises
    ------
    InvalidInput
        It is missing, or is no such number.
    """
    value = parameters.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        limits = f"at least {least:g}" if most == float("inf") else f"between {least:g} and {most:g}"
        raise InvalidInput(f"{name}={value!r} must be a number of {limits}", field=name)
    return value


def whole(parameters: Mapping[str, Any], name: str, least: int, most: float = float("inf")) -> int:
    """``parameters[name]``, a whole number; raises what :func:`number` raises."""
    value = number(parameters, name, least, most)
    if value != int(value):
        raise InvalidInput(f"{name}={value!r} must be a whole number", field=name)
    return int(value)
