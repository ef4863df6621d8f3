"""The JSON Schema of what :meth:`~pilothouse.Pilot.start` takes: what forms are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from pilothouse.engines.listing import engines
from pilothouse.engines.loading import engine as engine_of
from pilothouse.engines.settings import is_size, size_written
from pilothouse.errors import Unavailable
from pilothouse.pilots.sites import units
from pilothouse.state import NAME


def form_schema(name: str, allowed: Sequence[str] | None = None) -> dict[str, Any]:
    """The engine, its nodes, the service's name, and the engine's settings beside them.

    Parameters
    ----------
    allowed
        The engines that the pilot's site lets it start; all where nothing is said.

    Returns
    -------
    dict
        Sizes and times are as people write them: ``"512 MiB"``, ``"12h"``.

    Raises
    ------
    InvalidInput
        There is no such engine.
    Unavailable
        It can't be loaded.
    """
    try:
        engine = engine_of(name)
        model = engine.settings()
    except ImportError as error:
        raise Unavailable(f"engine={name!r} can't be loaded: {error}", field="engine") from None
    schema = model.model_json_schema()
    described = schema.get("properties", {})
    fields = {field: _written(described[field], model.model_fields[field]) for field in described}
    there = engines()
    choices = [each.name for each in there if allowed is None or each.name in allowed]
    needs = next(("; ".join(each.needs) for each in there if each.name == name), "")
    first = {
        "engine": {
            "type": "string", "title": "Engine", "enum": choices, "default": name,
            "description": f"{engine.title}. {f'It needs {needs}.' if needs else ''}".strip(),
        },
        "nodes": {
            "type": "integer", "title": "Nodes", "minimum": engine.least, "default": engine.least,
            "description": "On how many of the pilot's nodes; it waits for those that are not there yet.",
        },
        "name": {
            "anyOf": [{"type": "string", "pattern": f"^{NAME.pattern}$"}, {"type": "null"}],
            "title": "Name", "default": None,
            "description": "Of the service. Empty: made from the engine's.",
        },
    }  # fmt: skip
    found = {"type": "object", "properties": {**first, **fields}, "required": ["engine"]}
    return {**found, "$defs": schema["$defs"]} if "$defs" in schema else found


def _written(field: dict[str, Any], info: FieldInfo) -> dict[str, Any]:
    """A setting as people write it; formats, which forms have no words for, are left to the check."""
    default = info.get_default(call_default_factory=True)
    if is_size(info.annotation):
        shown = default if default is None else size_written(int(default))
    elif _is_time(info.annotation, info.metadata):
        shown = default if default is None else units.written(default)
    else:
        plain = _plain(field)
        return plain | {"anyOf": [_plain(each) for each in plain["anyOf"]]} if "anyOf" in plain else plain
    kept: dict[str, Any] = {name: field[name] for name in ("title", "description", "x-advanced") if name in field}
    types = ["string", "number", *(["null"] if type(None) in get_args(info.annotation) else [])]
    return {**kept, "anyOf": [{"type": each} for each in types], "default": shown}


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in field.items() if name != "format"}


def _is_time(kind: Any, metadata: list[Any]) -> bool:
    if any(isinstance(each, BeforeValidator) and each.func is units.seconds for each in metadata):
        return True
    if get_origin(kind) is Annotated:
        part, *inner = get_args(kind)
        return _is_time(part, inner)
    return any(_is_time(part, []) for part in get_args(kind))
