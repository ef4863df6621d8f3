"""Where a user finds a pilot's dashboard, and a service's."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse.registry.records import PilotRecord

#: Environment variable of kernels: the base URL of the Jupyter server that has our extension.
SERVER = "PILOTHOUSE_SERVER"


def proxied(record: PilotRecord) -> str:
    """Path of the dashboard on this kernel's Jupyter server; empty without such a server, or a dashboard."""
    base = os.environ.get(SERVER, "")
    return f"{base}pilothouse/pilots/{record.name}/dashboard/status" if base and record.dashboard else ""


def service_link(record: PilotRecord, name: str) -> str:
    """Path of the own pages of a service on this kernel's Jupyter server; empty as for the pilot's dashboard."""
    base = os.environ.get(SERVER, "")
    return f"{base}pilothouse/services/{name}/dashboard/" if base and record.dashboard else ""


def dashboard_link(record: PilotRecord) -> str:
    """The path of :func:`proxied`; else the socket, where it is one of this host; else nothing."""
    from pilothouse.registry.records import UNIX  # a Jupyter server that starts reads this module, but no models

    here = record.supervisor is not None and record.supervisor.host == socket.gethostname()
    return proxied(record) or (record.dashboard if here and record.dashboard.startswith(UNIX) else "")
