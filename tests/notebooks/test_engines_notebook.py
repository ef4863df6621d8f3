"""The notebook about engines, with a real Kafka on this computer; other engines where they are installed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pilothouse.pilots.submission import pilots
from tests.kernels import AsyncFolderKernelManager

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "60_engines.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def text_of(executed: nbformat.NotebookNode, begins: str) -> str:
    (cell,) = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.startswith(begins)]
    return "\n".join(str(output.get("text") or output.get("data", {}).get("text/plain")) for output in cell.outputs)


def test_the_stored_notebook_is_small_and_holds_no_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 50_000
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_a_kafka_is_extended_while_messages_flow_and_none_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path / "state"))
    executed = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        executed,
        timeout=200,
        kernel_name="python3",
        kernel_manager_class=AsyncFolderKernelManager,
        shutdown_kernel="immediate",
    )
    try:
        client.execute(cwd=str(tmp_path))
    finally:
        for pilot in pilots():
            pilot.cancel()
    assert "kafka on workshop) running" in text_of(executed, "kafka = pilot.start")
    assert text_of(executed, "producer, delivered").endswith("1000")
    assert text_of(executed, "kafka.extend()").count("'state': 'running'") == 2
    assert text_of(executed, "kafka.shrink()").endswith("True)")
    assert "bytes_in" in text_of(executed, "kafka.metrics()")
    assert "member left" in text_of(executed, "for event")
    assert "broker" in text_of(executed, "print(pilot.timeline()")
    assert "finished" in text_of(executed, "consumer.close()")
    for engine in ("spark", "ray", "hdfs", "yarn"):
        assert text_of(executed, f'if "{engine}" in ready')
    assert "finished" in text_of(executed, "pilot.cancel()")
