"""Network interfaces: the address of this host at which nodes and other login nodes find a supervisor."""

from __future__ import annotations

import socket

import psutil

from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites.description import near
from pilothouse.pilots.sites.site import Site


def supervisor_address(site: Site, *, in_job: bool) -> str:
    """The IPv4 address of this host where a supervisor listens.

    On a login node that of the site's ``login_interface``, in a job and where it has none that of ``interface``;
    where that is left out too, the one by which this host reaches others.

    Raises
    ------
    InvalidInput
        This host has no such interface; the message names the site's key and the interfaces that there are.
    """
    if site.system == "local":
        return "127.0.0.1"
    key = "login_interface" if site.login_interface and not in_job else "interface"
    name = getattr(site, key)
    if not name:
        from distributed.utils import get_ip

        return str(get_ip())
    there = psutil.net_if_addrs()
    if name not in there:
        known = f"this host ({socket.gethostname()}) has {', '.join(there)}{near(name, there)}"
        raise InvalidInput(f"{key}={name!r} of site {site.name!r}: {known}{_remedy(key, in_job)}", field=key)
    found = [str(each.address) for each in there[name] if each.family == socket.AF_INET]
    if not found:
        raise InvalidInput(f"{key}={name!r} of site {site.name!r}: it has no IPv4 address on this host", field=key)
    return found[0]


def loopback() -> str:
    """The interface of this host that no other host reaches; empty where it has none."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.family == socket.AF_INET and each.address.startswith("127.") for each in addresses):
            return str(name)
    return ""


def _remedy(key: str, in_job: bool) -> str:
    return "; name the login node's own as login_interface" if key == "interface" and not in_job else ""
