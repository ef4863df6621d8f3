"""Who else could reach daemons that believe what a client says of itself.

Hadoop's *simple authentication* takes the name that a client gives for true: whoever reaches a port of a NameNode or a
ResourceManager reads and writes as the pilot's owner, and can run programs as them. Kerberos is Hadoop's only answer;
a pilot has none. So where others are on the nodes, the user has to say that this is meant.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psutil

from pilothouse.errors import Refused

if TYPE_CHECKING:
    from pilothouse.registry.records import PilotRecord

#: Numbers that Linux gives to people's accounts; the accounts of services are below, `nobody` is above.
PEOPLE = range(1000, 60_000)


def check(pilot: PilotRecord, title: str, *, unprotected: bool) -> None:
    """Refuse `title` on a pilot whose nodes others are on too.

    A pilot on a batch system has its nodes alone where its description says ``exclusive=True``, in all kinds of nodes.
    A local one has its host alone as long as no other person's account has a process there: at this moment, which is
    all that can be seen.

    Raises
    ------
    Refused
        Others are, or may be, on its nodes; and `unprotected` is not set.
    """
    if unprotected or not (why := shared(pilot)):
        return
    raise Refused(
        f"{title} believes what clients say of themselves: who reaches its ports reads, writes and runs programs in "
        f"your name, and {why}. Take nodes of your own (exclusive=True when the pilot is submitted), or say "
        f"unprotected=True where all who are there may"
    )


def shared(pilot: PilotRecord) -> str:
    """Why others may be on the pilot's nodes; empty where the nodes are its own."""
    if pilot.site == "local" or pilot.settings.get("queue") == "local":
        people = sorted(others())
        return f"{', '.join(people)} {'has' if len(people) == 1 else 'have'} processes on this host" if people else ""
    kinds: Mapping[str, Mapping[str, Any]] = pilot.description.get("kinds") or {}
    asked = {"": pilot.description.get("exclusive")} | {
        name: kind.get("exclusive") or (kind.get("exclusive") is None and pilot.description.get("exclusive"))
        for name, kind in kinds.items()
    }
    if all(asked.values()):
        return ""
    return f"the nodes of {pilot.name!r} may be shared with other users' jobs"


def others() -> set[str]:
    """Names of the people's accounts, but one's own, that have processes on this host."""
    found: set[str] = set()
    for process in psutil.process_iter():
        try:
            user = int(process.uids().real)
        except psutil.Error:
            continue
        if user in PEOPLE and user != os.getuid():
            found.add(_name(user))
    return found


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # of a container, or of a directory that does not answer
        return f"user {user}"
