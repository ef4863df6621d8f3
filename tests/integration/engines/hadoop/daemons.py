"""The virtual machines of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from pilothouse.registry.liveness import scratch_folder

if TYPE_CHECKING:
    from pilothouse.engines.service import Service


def daemons(service: Service) -> list[psutil.Process]:
    """Those of a service of a local pilot, by the folder of their nodes: others' pilots on this host may have its name.

    Each is there once: a child that is yet to become another program has its parent's command line.
    """
    nodes = f"{scratch_folder(service.pilot)}/"
    found = {
        process.pid: process
        for process in psutil.process_iter(["cmdline", "ppid"])
        if any(nodes in word and f"/{service.name}-" in word for word in process.info["cmdline"] or ())
    }
    return [process for process in found.values() if process.info["ppid"] not in found]
