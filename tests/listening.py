"""Where processes listen, also those whose network is another one than the tests'."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from pathlib import Path
from typing import NamedTuple

_LISTENS = "0A"


class Listener(NamedTuple):
    """A TCP socket that waits for connections; what IPv6 has of an IPv4 address is that address."""

    address: str
    port: int


def listeners(pid: int) -> set[Listener]:
    """All of a process; none of one that has ended."""
    own = _sockets(pid)
    found = set()
    for family in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS and words[9] in own:
                    address, _, port = words[1].rpartition(":")
                    found.add(Listener(_address(address), int(port, 16)))
    return found


def addresses(pid: int) -> set[str]:
    """Those of :func:`listeners`."""
    return {listener.address for listener in listeners(pid)}


def _sockets(pid: int) -> set[str]:
    """The numbers of its sockets."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            kind, _, number = os.readlink(descriptor).partition(":")
            if kind == "socket":
                found.add(number.strip("[]"))
    return found


def _address(words: str) -> str:
    """The kernel writes it in words of four bytes, each the wrong way round."""
    raw = bytes.fromhex(words)
    found = ipaddress.ip_address(b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)))
    return str(getattr(found, "ipv4_mapped", None) or found)
