"""Dask clients of pilots, and what they leave in the process."""

from __future__ import annotations

import subprocess
import sys

ONE_AFTER_THE_OTHER = """
import dask
from distributed import LocalCluster
from pilothouse.runs.dask import Client
with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
    first, last = (Client(cluster.scheduler_address, dashboard="") for _ in range(2))
    first.close()
    print(dask.config.get("scheduler"), dask.delayed(sum)([1, 2]).compute())
    last.close()
print(dask.config.get("scheduler", None), dask.delayed(sum)([1, 2]).compute())
"""


def test_two_clients_that_have_closed_leave_a_process_that_computes_by_itself() -> None:
    """Of Dask's own, the one made last brings a scheduler back that nobody has when it closes last."""
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert found.stdout.splitlines() == ["dask.distributed 3", "None 3"]
