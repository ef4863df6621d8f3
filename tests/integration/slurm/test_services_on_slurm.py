"""Services in jobs: their data stays where it is when the supervisor goes, and moves when the nodes do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.slurm.login_node import LoginNode, kill_supervisor
from tests.waiting import eventually

pytestmark = pytest.mark.batch

if TYPE_CHECKING:
    from pilothouse.engines.service import Service


def words(service: Service) -> set[str]:
    return set(service.client()())


def test_a_service_goes_on_with_the_next_supervisor_and_moves_to_the_next_nodes(login: LoginNode) -> None:
    pilot = login.submit(nodes=2, lease="2h", name="serving").wait(timeout=90)
    service = pilot.start("board", nodes=2).wait(timeout=90)
    service.client()("carried")
    address, nodes = service.address, set(service.nodes)
    kill_supervisor(pilot)
    pilot.recover()
    service.wait(timeout=90)
    assert (words(service), service.address, set(service.nodes)) == ({"carried"}, address, nodes)
    pilot.renew()
    eventually(lambda: not nodes & set(service.nodes), "members on the next nodes", within=120)
    service.wait(timeout=90)
    assert words(service) == {"carried"}
    pilot.cancel()
    eventually(lambda: not login.processes(), "the end of all processes")
    assert not login.files()
