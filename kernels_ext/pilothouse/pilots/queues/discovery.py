"""Which sites there are from here: this computer, the batch systems of this host, and what site files say.

Only systems whose commands are on PATH are asked, all at once, and what they say is kept for a few seconds.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ByteSize

from pilothouse.errors import InvalidInput, PilothouseError, Unavailable
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.protocols import KnowsInterface
from pilothouse.pilots.sites.check import checked
from pilothouse.pilots.sites.description import PilotDescription, check, near
from pilothouse.pilots.sites.files import BrokenFile, SiteTable, read_site_files, systems
from pilothouse.pilots.sites.listing import Sites
from pilothouse.pilots.sites.merging import merged
from pilothouse.pilots.sites.site import MEANT_BY, QueueLimits, Site
from pilothouse.sync import blocking

#: Emulated nodes of one computer share its cores; past this many they only get in each other's way.
LOCAL_NODES = 64
#: Batch system -> commands that only it has; one is enough. (Several have a qsub and a qstat.)
COMMANDS = {
    "slurm": ("sinfo",),
    "gridengine": ("qhost", "qconf"),
    "oar": ("oarnodes",),
    "pbs": ("pbsnodes",),
    "lsf": ("lsid", "bqueues"),
    "htcondor": ("condor_status",),
}
#: Batch system without commands -> the variable that says how it is reached.
VARIABLES = {"yarn": "HADOOP_CONF_DIR"}
#: Seconds between two questions to systems whose answers cost more than a moment: oarstat takes 0.2 s of CPU.
POLL_LEAST = {"oar": 5.0}
#: Seconds for which what a batch system says of its queues is good enough.
FRESH_S = 5.0
#: Where NVIDIA's driver lists its GPUs.
_GPUS = Path("/proc/driver/nvidia/gpus")
#: Where AMD's driver has its device: how many there are is not known.
_AMD = Path("/dev/kfd")


class _System(NamedTuple):
    """A batch system, of which there may be several that are reached in different ways."""

    name: str
    conf_dir: str = ""


class _Told(NamedTuple):
    """What a batch system says of itself."""

    queues: list[QueueLimits]
    interface: str = ""


_Limits = dict[_System, "_Told | str"]
_said: dict[tuple[str, ...], tuple[float, _Told | str]] = {}


def sites() -> Sites:
    """What can be allocated from here, and its limits.

    A batch system that does not answer is there with its ``trouble``; site files that can't be used are in the
    list's ``unreadable``, and shown with it.
    """
    tables, broken = read_site_files()
    here = _here()
    names = dict.fromkeys(["local", *here, *(table.name for table in tables)])
    limits = _limits([_asked(name, tables) for name in names], here)
    return Sites([_site(name, tables, limits) for name in names], broken)


def site_names() -> list[str]:
    """The names of all sites; no batch system is asked."""
    tables, _ = read_site_files()
    return list(dict.fromkeys(["local", *_here(), *(table.name for table in tables)]))


def describe(**values: object) -> tuple[PilotDescription, Site]:
    """A description checked against its site, before anything is started.

    Raises
    ------
    InvalidInput
        Naming the field, the value and what would be right.
    Unavailable
        The site's batch system does not answer.
    """
    description = asked_for(values)
    site = site_named(description.site)
    return checked(description, site), site


def asked_for(values: dict[str, Any]) -> PilotDescription:
    """What a user wrote, read as the users of the site's batch system mean it; not yet held against the site."""
    system, _ = _asked(str(values.get("site", "local")), read_site_files()[0])
    description: PilotDescription = check(PilotDescription, values, system.name, bare=False)
    return description


def site_named(name: str) -> Site:
    """The site of that name, able to take jobs; no other batch system is asked.

    Raises
    ------
    InvalidInput
        There is none, or a site file says something of it that can't be used.
    Unavailable
        Its batch system does not answer.
    """
    tables, broken = read_site_files()
    for each in broken:
        if name in each.sites:
            raise InvalidInput(f"site={name!r}: {each.reason}", field="site")
    if name == "local":
        return _site(name, tables, {})
    here = _here()
    known = dict.fromkeys(["local", *here, *(table.name for table in tables)])
    if name not in known:
        raise InvalidInput(_unknown(name, list(known), broken), field="site")
    site = _site(name, tables, _limits([_asked(name, tables)], here))
    if site.trouble:
        raise Unavailable(f"site={name!r}: {site.trouble}", field="site")
    return site


def local_site() -> Site:
    """The site that always exists: this computer."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Site(
        name="local",
        system="local",
        title="This computer",
        nodes=LOCAL_NODES,
        cores=os.cpu_count() or 1,
        memory=ByteSize(memory),
        gpus=_local_gpus(),
        patience=0.0,
        source="this computer",
    )


def _local_gpus() -> int | None:
    try:
        return len(list(_GPUS.iterdir()))
    except OSError:
        return None if _AMD.exists() else 0


def _here() -> list[str]:
    """The batch systems that can be asked here, and that something installed knows."""
    there = [system for system, commands in COMMANDS.items() if any(map(_command, commands))]
    there += [system for system, variable in VARIABLES.items() if os.environ.get(variable)]
    known = systems() if there else ()
    return [system for system in there if system in known]


def _command(name: str) -> bool:
    path = shutil.which(name)
    if path is None or name != "pbsnodes":
        return path is not None
    # Slurm comes with one, beside its own qsub and qstat: a script that says so.
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return True
    return not (head.startswith(b"#!") and b"Slurm" in head)


def _asked(name: str, tables: Sequence[SiteTable]) -> tuple[_System, float]:
    """The batch system of the site `name`, and the seconds that a command of it may take."""
    said: dict[str, Any] = {}
    for table in tables:
        if table.name == name:
            said |= table.values
    system = _System(str(said.get("system", name)), str(said.get("conf_dir", "")))
    return system, float(said.get("timeout", Site.model_fields["timeout"].default))


def _site(name: str, tables: Sequence[SiteTable], limits: _Limits) -> Site:
    mine = [table for table in tables if table.name == name]
    asked, _ = _asked(name, mine)
    system = asked.name
    found = local_site() if system == "local" else Site(name=system.partition(":")[0], system=system)
    found.poll_least = POLL_LEAST.get(system, found.poll_least)
    found.conf_dir = os.environ.get(VARIABLES.get(system, ""), "")  # for a supervisor that lives elsewhere
    if system in COMMANDS or system in VARIABLES:
        said = limits.get(asked, _lacking(system))
        if isinstance(said, str):
            found.trouble = said
        else:
            found.queues, found.interface = said
    return merged(name, found, mine)


def _lacking(system: str) -> str:
    """Why a batch system can't be asked from here."""
    if system in VARIABLES:
        return f"neither does {VARIABLES[system]} say how it is reached, nor conf_dir in a site file"
    return f"none of its commands ({', '.join(COMMANDS[system])}) is on PATH"


def _limits(wanted: Iterable[tuple[_System, float]], here: Sequence[str]) -> _Limits:
    """What each of the `wanted` systems that is `here` says of its queues in so many seconds, or why it does not."""
    setting = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(("PATH", *MEANT_BY))]
    patience: dict[_System, float] = {}
    for system, seconds in wanted:
        if system.name in here or (system.name in VARIABLES and system.conf_dir):
            patience[system] = max(seconds, patience.get(system, 0.0))
    keys = {system: (*system, str(seconds), *setting) for system, seconds in patience.items()}
    now = time.monotonic()
    for key in [key for key, (at, _) in list(_said.items()) if now - at > FRESH_S]:
        _said.pop(key, None)
    known = {system: _said[key] for system, key in keys.items() if key in _said}
    if missing := {system: seconds for system, seconds in patience.items() if system not in known}:
        for system, said in zip(missing, blocking(_ask(missing)), strict=True):
            known[system] = _said[keys[system]] = time.monotonic(), said
    return {
        system: said
        if isinstance(said, str)
        else said._replace(queues=[queue.model_copy(deep=True) for queue in said.queues])
        for system, (_, said) in known.items()
    }


async def _ask(patience: Mapping[_System, float]) -> list[_Told | str]:
    return list(await asyncio.gather(*(_ask_one(system, seconds) for system, seconds in patience.items())))


async def _ask_one(system: _System, seconds: float) -> _Told | str:
    site = Site(name=system.name, system=system.name, timeout=seconds, conf_dir=system.conf_dir)
    try:
        queue = queue_for(site)
        return _Told(await queue.limits(), await queue.interface() if isinstance(queue, KnowsInterface) else "")
    except PilothouseError as error:
        return str(error)
    except (ValueError, TypeError, LookupError) as error:  # garbage that a parser did not expect
        return f"what its commands print can't be understood: {error}"


def _unknown(name: str, known: Sequence[str], broken: Sequence[BrokenFile]) -> str:
    also = "".join(f"; {each.reason}" for each in broken)
    there = ", ".join(map(repr, dict.fromkeys(known)))
    return f"site={name!r}: there is no such site; there are {there}{near(name, known)}{also}"
