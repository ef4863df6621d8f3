"""Dask clients of a pilot: for its users, and for functions that run on its nodes."""

from __future__ import annotations

from typing import Any

import dask
import distributed

from pilothouse.registry.dashboard_link import proxied
from pilothouse.registry.line.tls import security, tls_files
from pilothouse.registry.records import PILOTS, PilotRecord


class Client(distributed.Client):  # type: ignore[misc]
    """A client that knows the pilot's dashboard: others ask the scheduler for its port, and it has none.

    Parameters
    ----------
    dashboard
        Its path on the Jupyter server; empty where there is none.
    arguments, options
        As for :class:`distributed.Client`.
    """

    def __init__(self, *arguments: Any, dashboard: str, **options: Any) -> None:
        self._dashboard = dashboard
        if options.get("set_as_default", True) and dask.config.get("scheduler", None) == "dask.distributed":
            # Another client's doing: this one would bring it back when it is the last to close, and all that is
            # computed in this process afterwards would fail, for there is no client.
            dask.config.config.pop("scheduler")
        super().__init__(*arguments, **options)

    @property
    def dashboard_link(self) -> str | None:
        """The dashboard's path on the Jupyter server, which Dask's own JupyterLab extension takes too."""
        return self._dashboard or None


def client_of(record: PilotRecord) -> Client:
    """A new client (over TLS) of a pilot whose supervisor answers; it becomes the process's default client."""
    return Client(
        record.scheduler,
        security=security(tls_files(PILOTS.folder(record.name))),
        name=f"pilothouse-{record.name}",
        dashboard=proxied(record),
    )
