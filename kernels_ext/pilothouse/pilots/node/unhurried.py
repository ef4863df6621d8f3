"""Dask's clocks, slowed down: at its defaults an idle pilot costs its host 2 % of a core and more."""

from __future__ import annotations

from typing import Any

#: Seconds between two looks whether the event loop is late.
TICK_S = 5.0
#: Dask's settings, for scheduler and workers.
QUIET = {
    "distributed.admin.tick.interval": f"{TICK_S}s",
    "distributed.admin.tick.cycle": f"{TICK_S}s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.worker-saturation": 1.1,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.comm.timeouts.connect": "15s",
}


def slow_down(**more: Any) -> None:
    """Have this process's Dask go by these clocks, and by the settings that are given beside."""
    import dask
    import distributed.core

    dask.config.set({**QUIET, **more})
    # Dask reads this one when it is imported; with its own it would log every tick as a late one.
    distributed.core.tick_maximum_delay = 3 * TICK_S


#: Seconds between two heartbeats of a worker that computes nothing; of one that does, they are Dask's own.
IDLE_S = 5.0


class Unhurried:
    """A Dask scheduler that looks around less often where nothing happens."""

    def __init__(self: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.periodic_callbacks["idle-timeout"]  # that is the pilot's, whatever the user's own clusters have
        if self.no_workers_timeout is None:  # looked after four times a second, also where there is none
            del self.periodic_callbacks["no-workers-timeout"]

    def heartbeat_worker(self: Any, *, address: str, **said: Any) -> dict[str, Any]:
        """Note what a worker says of itself, and tell it when to come again."""
        answer: dict[str, Any] = super().heartbeat_worker(address=address, **said)  # type: ignore[misc]
        worker = self.workers.get(address)
        if worker is not None and not worker.processing:
            answer["heartbeat-interval"] = max(IDLE_S, answer["heartbeat-interval"])
        return answer
