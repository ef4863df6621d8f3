"""One site from all that is said of it: what was found, what admins' files say, and what the user's own say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.pilots.sites.description import near, said_at
from pilothouse.pilots.sites.files import SiteTable, place_of_queue
from pilothouse.pilots.sites.site import QueueLimits, Site

#: Of two limits the tighter one counts, whoever says it.
_LIMITS = ("nodes", "cores", "memory", "gpus", "walltime", "lease", "idle_timeout")
_QUEUE_LIMITS = ("walltime", "nodes", "cores", "memory", "gpus")
#: What stays as an admin's file says it.
_ADMINS = (
    "system", "accounts", "placement", "dashboard", "engines", "nodes_per_job", "job_arrays", "poll_least",
    "poll_most", "timeout",
)  # fmt: skip
#: Lines that add up.
_LINES = ("prologue", "epilogue")


def merged(name: str, found: Site | None, tables: Sequence[SiteTable]) -> Site:
    """The site `name`.

    Parameters
    ----------
    found
        What discovery knows of its batch system; None when it knows nothing.
    tables
        What files say of it, the weakest first.
    """
    site = found.model_copy(update={"name": name}) if found else Site(name=name, system=_system(name, tables))
    said: set[str] = set()
    fixed: set[str] = set()
    for table in tables:
        values = {"name": name, "system": site.system, **table.values}
        new = Site.model_validate(values, context=said_at(site.system))
        given = set(table.values) - (set() if table.admin else said & set(_ADMINS))
        site = site.model_copy(update=_changes(site, new, given, None if table.admin else fixed))
        if table.admin:
            said |= set(table.values)
            fixed |= set(new.fixed)
    if tables:
        files = dict.fromkeys(str(table.path) for table in tables)
        found_too = [found.source] if found else []
        site = site.model_copy(update={"source": "; ".join([*found_too, *files])})
        listed = {queue["name"] for table in tables if table.admin for queue in table.values.get("queues", [])}
        if found and found.name != name and listed:  # a site of its own beside that of the batch system
            site.queues = [queue for queue in site.queues if queue.name in listed]
        site.trouble = site.trouble or _strange_queue(site, tables)
    return site


def _strange_queue(site: Site, tables: Sequence[SiteTable]) -> str:
    """What a user's file says of a queue that the site does not have: a typing error, and its limits would not hold."""
    known = [queue.name for queue in site.queues]
    for table in tables:
        for at, queue in enumerate(() if table.admin else table.values.get("queues", ())):
            if (name := queue["name"]) not in known:
                there = f"there is no such queue; there are {', '.join(known)}{near(name, known)}"
                return f"{place_of_queue(table, at)}: [{table.name}] queue {name!r}: {there}"
    return ""


def _changes(site: Site, new: Site, given: set[str], fixed: set[str] | None) -> dict[str, Any]:
    """What `new` changes in `site`; `fixed` are the fields that it may not, where it is not an admin's."""
    changes: dict[str, Any] = {}
    for field in given:
        mine, theirs = getattr(site, field), getattr(new, field)
        if field in _LIMITS:
            changes[field] = _tighter(mine, theirs)
        elif field in _LINES:
            changes[field] = [*mine, *theirs]
        elif field == "fixed":
            changes[field] = list(dict.fromkeys([*mine, *theirs]))
        elif field == "defaults":
            changes[field] = {**mine, **{key: value for key, value in theirs.items() if key not in (fixed or ())}}
        elif field == "queues":
            changes[field] = _merged_queues(mine, theirs, add=fixed is None or not mine)
        else:
            changes[field] = theirs
    return {field: value for field, value in changes.items() if field not in (fixed or ())}


def _merged_queues(mine: Sequence[QueueLimits], theirs: Sequence[QueueLimits], *, add: bool) -> list[QueueLimits]:
    by_name = {queue.name: queue for queue in mine}
    for queue in theirs:
        old = by_name.get(queue.name)
        if old is None and add:
            by_name[queue.name] = queue
        if old is None:
            continue
        changes: dict[str, Any] = {
            field: _tighter(getattr(old, field), getattr(queue, field)) for field in _QUEUE_LIMITS
        }
        changes["available"] = old.available and queue.available
        for field in ("default", "features"):
            if field in queue.model_fields_set:
                changes[field] = getattr(queue, field)
        by_name[queue.name] = old.model_copy(update=changes)
    defaults = [queue.name for queue in theirs if queue.default]
    if defaults:  # there is one
        return [
            queue.model_copy(update={"default": queue.name == defaults[-1]}) if queue.default else queue
            for queue in by_name.values()
        ]
    return list(by_name.values())


def _tighter(one: Any, other: Any) -> Any:
    known = [limit for limit in (one, other) if limit is not None]
    return min(known, default=None)


def _system(name: str, tables: Sequence[SiteTable]) -> str:
    return next((str(table.values["system"]) for table in tables if "system" in table.values), name)
