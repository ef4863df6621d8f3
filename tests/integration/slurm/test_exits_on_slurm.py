"""Tasks that end their node's process, on a real Slurm: the batch system says how it ended."""

from __future__ import annotations

import os
import time

import pytest

from pilothouse.errors import Failed
from tests.slurm.login_node import LoginNode


def vanish() -> None:
    os._exit(3)


@pytest.mark.slow
def test_a_function_that_ends_its_process_takes_one_job_and_is_named(login: LoginNode) -> None:
    pilot = login.submit(nodes=2)
    pilot.wait(nodes=2, timeout=120)
    before, client = {node.job for node in pilot.nodes}, pilot.client()
    others = client.map(time.sleep, [0.1] * 8, pure=False)
    with pytest.raises(Failed, match=r"vanish\(\) .*ended by itself with exit code 3"):
        client.submit(vanish, pure=False, priority=10).result(timeout=120)
    failed = {str(error) for error in (future.exception(timeout=60) for future in others) if error}
    assert all("one of them did it" in text for text in failed)
    assert len(before & {node.job for node in pilot.nodes if node.state == "running"}) == 1
