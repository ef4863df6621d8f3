"""The virtual machines of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pilothouse.engines.service import Service


def daemons(service: Service) -> list[psutil.Process]:
    """Those of a service, each once: a child that is yet to become another program has its parent's command line."""
    found = {
        process.pid: process
        for process in psutil.process_iter(["cmdline", "ppid"])
        if any(f"/{service.pilot}-" in word and f"/{service.name}-" in word for word in process.info["cmdline"] or ())
    }
    return [process for process in found.values() if process.info["ppid"] not in found]
