"""A YARN for tests, on a local pilot: one of two nodes, each with an address of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pilothouse as ph

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.yarn_service import YARNService
    from pilothouse.pilots import Pilot

#: Hosts may have other people on them: that is not what these tests are about.
OPEN = {"unprotected": True, "cores": 2, "memory": "3 GiB"}
#: Virtual machines on a busy host.
PATIENCE_S = 400.0


@contextlib.contextmanager
def yarn_on(pilot: Pilot, **settings: Any) -> Iterator[YARNService]:
    """One on two nodes of `pilot`."""
    service: Any = pilot.start("yarn", **{"nodes": 2, **OPEN, **settings})
    try:
        yield service.wait(timeout=PATIENCE_S)
    finally:
        service.stop()


@contextlib.contextmanager
def local_pilot(name: str, nodes: int = 2) -> Iterator[Pilot]:
    """A pilot of this host."""
    with ph.submit("local", name=name, nodes=nodes, lease="1h").wait(timeout=PATIENCE_S) as made:
        yield made
