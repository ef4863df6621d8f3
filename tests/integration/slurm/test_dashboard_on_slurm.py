"""Dask's dashboard of a supervisor that other hosts have to ask."""

from __future__ import annotations

import ssl

import pytest

from pilothouse.registry.line import client as control
from tests.integration.pilots.test_dashboard import get
from tests.slurm.login_node import LoginNode


@pytest.mark.slow
def test_the_pages_of_a_supervisor_in_a_job_come_over_its_tls_line(login: LoginNode) -> None:
    pilot = login.submit(nodes=1, placement="job", name="far").wait(timeout=90)
    record = pilot.record
    assert record.dashboard == record.control
    assert record.control.startswith("tls://")
    assert pilot.dashboard == "", "there is no socket on this host"
    line = control.connect(record, "dashboard")
    assert isinstance(line, ssl.SSLSocket)
    status, page = get(line, "/status")
    assert (status, b"bokeh" in page) == (200, True)
