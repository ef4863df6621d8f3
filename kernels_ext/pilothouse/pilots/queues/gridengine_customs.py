"""What an installation of Grid Engine calls things: what memory, GPUs and slots are called is each one's own matter."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field

from pilothouse.pilots.queues.surroundings import cleaned

#: Parallel environments of one host go by these names; others are told by their allocation rule.
SHARED_MEMORY = ("smp", "threaded", "threads", "openmp", "shm", "shared", "serial")
#: What sites call memory that is granted, the usual one first.
MEMORY = ("m_mem_free", "mem_free", "mem_requested", "virtual_free", "h_vmem", "h_rss", "s_vmem")
GPUS = ("gpu", "gpus", "ngpus", "gpu_card", "cuda")


@dataclass(frozen=True)
class Customs:
    """What an installation calls things.

    Attributes
    ----------
    environment
        The parallel environment for several slots of one host.
    resources
        What can be asked for with ``-l``, and whether a request is "NO" reservation, counted for each slot ("YES")
        or for the whole "JOB".
    """

    environment: str = "smp"
    resources: dict[str, str] = field(default_factory=dict)

    def memory(self, size: int, slots: int) -> str:
        """The request for so many bytes; empty where memory can't be asked for."""
        granted = [name for name in MEMORY if self.resources.get(name, "NO") != "NO"]
        # Where none is granted, a host that has as much: what is free now may be so for a moment only, and -w e
        # would refuse the job for it.
        name = granted[0] if granted else "mem_total"
        if name not in self.resources:
            return ""
        share = size // slots if self.resources[name] == "YES" else size
        return f"-l {name}={max(share // 2**20, 1)}M"

    def gpus(self, count: int) -> str:
        """The request for so many GPUs."""
        known = [name for name in GPUS if name in self.resources]
        return f"-l {known[0] if known else GPUS[0]}={count}"


def ask_customs(timeout: float) -> Customs:
    """Ask ``qconf``, as far as it answers."""

    def ask(*options: str) -> str:
        try:
            done = subprocess.run(
                ["qconf", *options], capture_output=True, text=True, timeout=timeout, check=True,
                env=cleaned("gridengine"),
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout

    names = ask("-spl").split()
    names.sort(key=lambda name: SHARED_MEMORY.index(name) if name in SHARED_MEMORY else len(SHARED_MEMORY))
    environments = (name for name in names if re.search(r"(?m)^allocation_rule\s+\$pe_slots", ask("-sp", name)))
    return Customs(next(environments, "smp"), parse_resources(ask("-sc")))


def parse_resources(text: str) -> dict[str, str]:
    """``qconf -sc``: what can be asked for, and whether a request is counted (NO, YES for each slot, JOB)."""
    rows = [line.split() for line in text.split("\n") if not line.startswith("#")]
    return {row[0]: row[5] for row in rows if len(row) >= 8 and row[4] in ("YES", "FORCED")}
