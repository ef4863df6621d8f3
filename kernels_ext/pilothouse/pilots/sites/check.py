"""A description against its site: defaults filled in, fixed fields kept, limits held, each error naming its field."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ByteSize

from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites.description import NodeKind, PilotDescription, check, near
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.pilots.sites.whole_jobs import check_whole_jobs
from pilothouse.registry.records import FIRST

#: A Dask worker does not start with less.
LEAST_MEMORY = 64 * 2**20
#: Fields of every kind of node that sites and queues limit.
LIMITED = ("cores", "memory", "gpus", "walltime")
#: Fields of a description that a site's limits of the same name bound.
LEASES = ("lease", "idle_timeout")
#: A constraint of one word, as opposed to an expression of the batch system.
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")


def checked(description: PilotDescription, site: Site) -> PilotDescription:
    """`description` with what it leaves out filled in.

    Defaults of the site are taken first; one that is more than the chosen queue allows is lowered to that.

    Raises
    ------
    InvalidInput
        Naming the field, the value and the limit.
    """
    said = description.model_fields_set
    description = _with_defaults(description, site)
    description = _lowered(description, site, said)
    if site.system == "local" and description.memory is None and site.memory is not None:
        description = description.model_copy(update={"memory": _share(description, site)})
    _check_fixed(description, site)
    _check_account(description, site)
    for name in description.wanted():
        _check_kind(description.kind(name), site, "" if name == FIRST else f"kinds.{name}.")
    check_nodes(description, site)
    check_whole_jobs(description, site)
    for field in LEASES:
        _hold(field, getattr(description, field), site.limit(field), f"site {site.name!r}")
    return description


def value_of(field: str, site: Site) -> Any:
    """What `field` of a description is at `site` when a user leaves it out."""
    if field in site.defaults:
        return getattr(check(PilotDescription, {field: site.defaults[field]}, site.system), field)
    if field in ("placement", "scratch"):
        return getattr(site, field) or None
    if field == "account" and len(site.accounts) == 1:
        return site.accounts[0]
    if field == "nodes":
        return site.nodes_per_job
    return getattr(PilotDescription.model_validate({}), field)


def shown(field: str, value: object) -> str:
    """A value as an error or a table shows it: no more than it is, in units that people read."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if field == "memory":
            return _size(int(value))
        if field in ("walltime", *LEASES):
            minutes, seconds = divmod(int(value), 60)
            return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        return f"{value:g}"
    return repr(value)


def _size(size: int) -> str:
    for exponent, unit in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 2**exponent:
            return f"{size * 10 // 2**exponent / 10:g} {unit}"  # rounded up, a limit would be refused by itself
    return f"{size} B"


def _with_defaults(description: PilotDescription, site: Site) -> PilotDescription:
    given = description.model_dump(exclude_unset=True)
    one_job = {"nodes": site.nodes_per_job}
    filled = {**one_job, **site.defaults, **given}
    if "kinds" in filled:
        filled["kinds"] = {name: {**one_job, **kind} for name, kind in filled["kinds"].items()}
    own, theirs = given.get("environment"), site.defaults.get("environment")
    if isinstance(own, dict) and isinstance(theirs, dict):
        filled["environment"] = {**theirs, **own}
    if "account" not in filled and len(site.accounts) == 1:
        filled["account"] = site.accounts[0]
    found: PilotDescription = check(PilotDescription, filled, site.system)
    return found


def _lowered(description: PilotDescription, site: Site, said: set[str]) -> PilotDescription:
    """What nobody asked for stays within the limits of the queue that was asked for."""
    queue = site.queue_named(description.queue)
    changed: dict[str, Any] = {}
    for field in (*LIMITED, *LEASES, "nodes"):
        limit, value = site.limit(field, queue), getattr(description, field)
        if field not in said and limit is not None and value is not None and value > limit:
            jobs = limit // site.nodes_per_job if field == "nodes" else 0
            changed[field] = _typed(field, jobs * site.nodes_per_job or limit)
    kinds = {}
    for name, kind in description.kinds.items():
        whole = description.kind(name)
        own: dict[str, Any] = {}
        for field in LIMITED:
            limit, value = site.limit(field, site.queue_named(whole.queue)), getattr(whole, field)
            inherited = field not in said and getattr(kind, field) is None
            if inherited and limit is not None and value is not None and value > limit:
                own[field] = _typed(field, limit)
        kinds[name] = kind.model_copy(update=own) if own else kind
    return description.model_copy(update={**changed, "kinds": kinds}) if changed or kinds else description


def _typed(field: str, limit: float) -> float:
    return ByteSize(limit) if field == "memory" else limit


def _share(description: PilotDescription, site: Site) -> ByteSize:
    """A computer's memory is shared by all nodes on it."""
    return ByteSize((site.memory or 0) // max(sum(description.wanted().values()), 2))


def _check_fixed(description: PilotDescription, site: Site) -> None:
    for field in site.fixed:
        if field not in PilotDescription.model_fields:
            continue  # a newer version's
        fixed = value_of(field, site)
        limit = site.limit(field, site.queue_named(description.queue))
        allowed = [fixed, None] if field in ("placement", "scratch") else [fixed]
        if field == "memory" and site.system == "local":
            allowed.append(_share(description, site))
        if isinstance(fixed, (int, float)) and limit is not None and fixed > limit:
            allowed.append(_typed(field, limit))
        values = {"": getattr(description, field)}
        if field in NodeKind.model_fields and field != "nodes":
            kinds = {f"kinds.{name}.": getattr(kind, field) for name, kind in description.kinds.items()}
            values |= {prefix: value for prefix, value in kinds.items() if value is not None}
        for prefix, value in values.items():
            if value not in allowed:
                raise InvalidInput(
                    f"{prefix}{field}={shown(field, value)}: site {site.name!r} fixes it to {shown(field, fixed)}; "
                    "leave it out",
                    field=f"{prefix}{field}",
                )


def _check_account(description: PilotDescription, site: Site) -> None:
    there = ", ".join(site.accounts)
    if site.accounts and description.account is None:
        raise InvalidInput(f"account=None: site {site.name!r} needs one of {there}", field="account")
    if site.accounts and description.account not in site.accounts:
        close = near(str(description.account), site.accounts)
        raise InvalidInput(f"account={description.account!r}: site {site.name!r} has {there}{close}", field="account")


def _check_kind(kind: NodeKind, site: Site, prefix: str) -> None:
    for field in ("queue", "constraint", "directives") if site.system == "local" else ():
        if value := getattr(kind, field):
            raise InvalidInput(
                f"{prefix}{field}={value!r}: site {site.name!r} has no batch system to heed it; leave it out",
                field=f"{prefix}{field}",
            )
    queue = _queue(kind, site, prefix)
    where = f"queue {queue.name!r} of site {site.name!r}" if queue else f"site {site.name!r}"
    for field in ("nodes", *LIMITED):
        _hold(f"{prefix}{field}", getattr(kind, field), site.limit(field, queue), where)
    if kind.memory is not None and kind.memory < LEAST_MEMORY:
        raise InvalidInput(
            f"{prefix}memory={_size(kind.memory)}: a Dask worker needs at least {_size(LEAST_MEMORY)}",
            field=f"{prefix}memory",
        )
    features = queue.features if queue else sorted({each for queue in site.queues for each in queue.features})
    if kind.constraint and features and _PLAIN.fullmatch(kind.constraint) and kind.constraint not in features:
        raise InvalidInput(
            f"{prefix}constraint={kind.constraint!r}: {where} has nodes with {', '.join(features)}"
            f"{near(kind.constraint, features)}",
            field=f"{prefix}constraint",
        )


def _queue(kind: NodeKind, site: Site, prefix: str) -> QueueLimits | None:
    queue = site.queue_named(kind.queue)
    names = [each.name for each in site.queues]
    if kind.queue is not None and queue is None and names:
        raise InvalidInput(
            f"{prefix}queue={kind.queue!r}: site {site.name!r} has {', '.join(names)}{near(kind.queue, names)}",
            field=f"{prefix}queue",
        )
    if queue is not None and not queue.available:
        raise InvalidInput(
            f"{prefix}queue={queue.name!r}: it takes no jobs now at site {site.name!r}", field=f"{prefix}queue"
        )
    return queue


def check_nodes(description: PilotDescription, site: Site) -> None:
    """All kinds together: at the site, and in each queue."""
    wanted = description.wanted()
    _hold("nodes", sum(wanted.values()), site.nodes, f"site {site.name!r}")
    for queue in site.queues:
        inside = [nodes for name, nodes in wanted.items() if site.queue_named(description.kind(name).queue) is queue]
        _hold("nodes", sum(inside), queue.nodes, f"queue {queue.name!r} of site {site.name!r}")


def _hold(field: str, value: float | None, limit: float | None, where: str) -> None:
    if value is not None and limit is not None and value > limit:
        plain = field.rpartition(".")[2]
        raise InvalidInput(
            f"{field}={shown(plain, value)}: {where} has at most {shown(plain, limit)}",
            field=field,
        )
