"""Blocks of Parsl's own workers, and an endpoint of Globus Compute up to its login, on a pilot's nodes."""

from __future__ import annotations

import importlib.util
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from pilothouse.pilots import Pilot
from tests.waiting import eventually

pytestmark = pytest.mark.engines
parsl = pytest.importorskip("parsl")

CONFIG = """
from globus_compute_endpoint.endpoint.config import UserEndpointConfig
from globus_compute_endpoint.engines import GlobusComputeEngine
from pilothouse.engines.executors.provider import PilotProvider

config = UserEndpointConfig(
    engine=GlobusComputeEngine(
        provider=PilotProvider("tests"), address="127.0.0.1", max_workers_per_node=1,
    )
)
"""


@pytest.fixture(autouse=True)
def _own_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsl looks for its own on PATH."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def test_parsls_workers_run_as_tasks_and_end_with_parsl(local_pilot: Pilot, tmp_path: Path) -> None:
    from parsl.executors import HighThroughputExecutor

    from pilothouse.engines.executors.provider import PilotProvider

    before = {run.name for run in local_pilot.runs()}
    provider = PilotProvider(local_pilot.name)
    workers = HighThroughputExecutor(provider=provider, address="127.0.0.1", max_workers_per_node=1, encrypted=True)
    with parsl.load(parsl.Config(executors=[workers], run_dir=str(tmp_path), usage_tracking=0)):

        @parsl.python_app
        def where() -> str:
            import os

            return os.environ["PILOTHOUSE_PILOT"]

        assert where().result(120) == local_pilot.name
        (block,) = [run for run in local_pilot.runs() if run.name not in before]
        assert [status.state.name for status in provider.status([block.name])] == ["RUNNING"]
    parsl.clear()
    eventually(lambda: block.state.ended, "the end of the block")
    assert [status.state.name for status in provider.status([block.name])] in (["CANCELLED"], ["COMPLETED"])


def test_an_endpoint_of_globus_compute_has_its_calls_run_on_nodes(local_pilot: Pilot, tmp_path: Path) -> None:
    """Its own configuration, engine and wire format; what is left out is Globus's service, which wants a login."""
    from globus_compute_common import messagepack
    from globus_compute_common.messagepack.message_types import Task
    from globus_compute_endpoint.endpoint.config.utils import get_config
    from globus_compute_endpoint.engines.base import GCFuture
    from globus_compute_sdk.serialize import ComputeSerializer

    (tmp_path / "config.py").write_text(CONFIG)
    engine: Any = get_config(tmp_path).engine
    engine.start(endpoint_id=uuid.uuid4(), run_dir=str(tmp_path))
    try:
        number, serializer = uuid.uuid4(), ComputeSerializer()
        parts = (os.getenv, ("PILOTHOUSE_PILOT",), {})
        code = serializer.pack_buffers([serializer.serialize(part) for part in parts])
        task = messagepack.pack(Task(task_id=number, task_buffer=code))
        future = GCFuture(number)
        engine.submit(future, task, resource_specification={})
        answer = messagepack.unpack(future.result(120))
        assert not answer.is_error, answer.data
        assert serializer.deserialize(answer.data) == local_pilot.name
    finally:
        engine.shutdown(block=True)


if not importlib.util.find_spec("globus_compute_endpoint"):  # it wants older packages than others beside it have
    test_an_endpoint_of_globus_compute_has_its_calls_run_on_nodes = None  # type: ignore[assignment]
