"""Whether a host can be reached from outside: Ray's daemons listen on all of its interfaces."""

from __future__ import annotations

import ipaddress

from pilothouse.errors import Refused


def public_addresses() -> list[str]:
    """The addresses of this host that are of the internet."""
    import psutil

    found = [each.address.partition("%")[0] for there in psutil.net_if_addrs().values() for each in there]
    return [address for address in found if _is_global(address)]


def _is_global(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:  # of hardware
        return False


def check_private(where: str) -> None:
    """Refuse where others could knock.

    Raises
    ------
    Refused
        An interface of this host has an address of the internet.
    """
    if there := public_addresses():
        raise Refused(
            f"{where} has {', '.join(there)}, an address of the internet, and Ray's daemons (gcs_server, raylet) "
            "listen on all interfaces, whatever they are told: only Ray's token would keep others out. public=True "
            "does it all the same; a firewall in front of the nodes is the better remedy",
            field="public",
        )
