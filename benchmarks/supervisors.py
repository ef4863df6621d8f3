"""What a pilot's supervisor costs while nothing happens."""

from __future__ import annotations

import time
from typing import Any

import psutil


def process_of(pilot: Any) -> psutil.Process:
    """The pilot's supervisor."""
    return psutil.Process(pilot.record.supervisor.pid)


def share_of_a_core(pilot: Any, after: float = 5.0, seconds: float = 20.0) -> float:
    """How much of a core its supervisor takes, its batch commands included, once what was begun has had time to end."""
    process = process_of(pilot)
    time.sleep(after)
    before, begun = process.cpu_times(), time.perf_counter()
    time.sleep(seconds)
    now, names = process.cpu_times(), ("user", "system", "children_user", "children_system")
    return float(sum(getattr(now, name) - getattr(before, name) for name in names) / (time.perf_counter() - begun))
