"""The handle of a Ray cluster on a pilot."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from pilothouse.engines.ray import versions
from pilothouse.engines.service import Service
from pilothouse.errors import Conflict, Unavailable
from pilothouse.state import write_atomic

#: Where the token lies for Ray in the user's process, in the service's folder.
TOKEN = "ray.token"  # noqa: S105 - its file's name


class RayService(Service):
    """A Ray cluster on a pilot's nodes; ``address`` is that of its head."""

    def client(self) -> Any:
        """The module ``ray``, connected to this cluster as one of its drivers; the same at each call.

        This process has to be on a host of the cluster, as all drivers of Ray's.

        Raises
        ------
        Conflict
            This process is connected to another Ray, and can be to one at a time: ``ray.shutdown()`` first.
        Refused
            It has another version of Ray or Python than the nodes.
        Unavailable
            Ray is not installed here, or no node of the cluster is on this host.
        """
        address = self.address
        head = next(member for member in self.members if member.get("address") == address)
        if find_spec("ray") is None:
            raise Unavailable("Ray is not installed here: pip install 'pilothouse[ray]'")
        versions.check(head, "this process")
        file = self.folder / TOKEN
        if not file.exists():
            write_atomic(file, self.secrets["token"].encode())
        here = next((member["ip"] for member in self.members if "ip" in member and _is_own(member["ip"])), None)
        if here is None:
            raise Unavailable(
                f"no node of {self.name!r} is on this host, where Ray wants its drivers: run the driver on a node, "
                f"with pilot.execute() or %%on, and the address {address!r}"
            )
        before = dict(os.environ)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(file)}
        import ray

        if ray.is_initialized():
            there = ray.get_runtime_context().gcs_address
            if there == address:
                return ray
            os.environ.clear()
            os.environ.update(before)
            raise Conflict(
                f"this process is connected to the Ray at {there!r}, and can be to one at a time: ray.shutdown() "
                f"first, then ask {self.name!r} for its client again",
                field="client",
            )
        _forget_token()
        ray.init(address=address, _node_ip_address=here, logging_level="WARNING")
        return ray


def _is_own(address: str) -> bool:
    """Whether this host has that address."""
    import socket

    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _forget_token() -> None:
    """Ray reads mode and token once a process; what it has of another cluster would be refused by this one."""
    from ray._raylet import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
