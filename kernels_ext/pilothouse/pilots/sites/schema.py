"""The JSON Schema of a description as narrow as a site is: what forms are made from."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ByteSize

from pilothouse.pilots.sites.check import LEASES, LIMITED, shown, value_of
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.sites.units import written


def form_schema(site: Site) -> dict[str, Any]:
    """The JSON Schema of :class:`~pilothouse.pilots.sites.description.PilotDescription` within the limits of `site`.

    Numbers get their maximum, the largest that any queue allows; queues and accounts become an ``enum``, features
    ``examples`` (a constraint may be an expression of several); ``default`` is the site's; what a site fixes is
    ``readOnly``. What JSON Schema can't say of text such as ``"2h"`` or ``"4 GiB"`` is added to the description.
    """
    schema = copy.deepcopy(PilotDescription.model_json_schema())
    fields: dict[str, dict[str, Any]] = schema["properties"]
    fields["site"]["default"] = site.name
    for field in PilotDescription.model_fields:
        if field not in ("site", "name"):
            fields[field]["default"] = _plain(field, _within(field, value_of(field, site), site))
    _narrow(fields, site)
    _narrow(schema["$defs"]["NodeKind"]["properties"], site)
    return schema


def _narrow(fields: dict[str, dict[str, Any]], site: Site) -> None:
    """Put the limits of `site` into the schema of a description's fields, or of those of a further kind of nodes."""
    for field in ("nodes", *LIMITED, *LEASES):
        most = _most(site, field)
        if most is not None and field in fields:
            _bound(fields[field], field, most)
    if site.nodes_per_job > 1:
        fields["nodes"] |= {"multipleOf": site.nodes_per_job, "default": site.nodes_per_job}
        _note(fields["nodes"], f"A job has {site.nodes_per_job}.")
    for field, values in (("queue", _queues(site)), ("account", site.accounts)):
        for kind in fields[field]["anyOf"] if values and field in fields else ():
            if kind.get("type") == "string":
                kind["enum"] = values
    if notes := _limits_by_queue(site):
        _note(fields["queue"], notes)
    if features := sorted({feature for queue in site.queues for feature in queue.features}):
        fields["constraint"]["examples"] = features
        _note(fields["constraint"], f"There are {', '.join(features)}.")
    for field in site.fixed:
        if field in fields and (field != "nodes" or "site" in fields):  # further kinds have as many nodes as they like
            fields[field]["readOnly"] = True
            _note(fields[field], f"Fixed at site {site.name}.")


def _most(site: Site, field: str) -> float | None:
    """The largest value that some queue allows; None where one of them has no limit."""
    limits = [site.limit(field, queue) for queue in site.queues if queue.available] or [site.limit(field)]
    known = [limit for limit in limits if limit is not None]
    return max(known) if len(known) == len(limits) else None


def _within(field: str, value: Any, site: Site) -> Any:
    """A default, which is lowered to the limit of the site."""
    most = _most(site, field) if field in ("nodes", *LIMITED, *LEASES) and value is not None else None
    return value if most is None or value <= most else ByteSize(most) if field == "memory" else type(value)(most)


def _bound(field: dict[str, Any], name: str, most: float) -> None:
    for kind in field.get("anyOf", [field]):
        if kind.get("type") in ("integer", "number"):
            kind["maximum"] = min(most, kind.get("maximum", most))
    if "anyOf" in field or field.get("type") == "string":
        _note(field, f"At most {shown(name, most)}.")


def _queues(site: Site) -> list[str]:
    return [queue.name for queue in site.queues if queue.available]


def _limits_by_queue(site: Site) -> str:
    parts = []
    for queue in site.queues:
        limits = [
            f"{field} {shown(field, getattr(queue, field))}"
            for field in ("walltime", "cores", "memory", "gpus")
            if getattr(queue, field)
        ]
        if queue.available:
            parts.append(f"{queue.name}{' (default)' if queue.default else ''}: {', '.join(limits) or 'no limits'}")
    return f"At most, {'; '.join(parts)}." if parts else ""


def _note(field: dict[str, Any], text: str) -> None:
    field["description"] = f"{field['description']} {text}"


def _plain(field: str, value: Any) -> Any:
    """As JSON, and as exactly as a person would write it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if field == "kinds":
        return {
            name: {inner: _plain(inner, each) for inner, each in kind if inner in kind.model_fields_set}
            for name, kind in value.items()
        }
    if field in ("walltime", *LEASES) and value is not None:
        return written(value)
    if isinstance(value, ByteSize):
        for exponent, unit in ((30, "GiB"), (20, "MiB")):
            if value % 2**exponent == 0:
                return f"{value >> exponent} {unit}"
        return f"{int(value)} B"
    return value
