"""Parsl's own kernel with a pilot as its executor: Python apps, bash apps, what depends on what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.pilots import Pilot
from tests.listening import listeners

pytestmark = pytest.mark.engines
parsl = pytest.importorskip("parsl")


@pytest.fixture
def kernel(local_pilot: Pilot, tmp_path: Path) -> Iterator[Any]:
    """A DataFlowKernel whose only executor is the pilot's."""
    executor = local_pilot.executor("parsl", label="nodes")
    config = parsl.Config(executors=[executor], run_dir=str(tmp_path / "runinfo"), retries=1, usage_tracking=0)
    with parsl.load(config) as loaded:
        yield loaded
    parsl.clear()


def test_parsl_and_the_pilots_executor_listen_nowhere(local_pilot: Pilot, tmp_path: Path) -> None:
    before = listeners(os.getpid())
    with parsl.load(parsl.Config(executors=[local_pilot.executor("parsl")], run_dir=str(tmp_path), usage_tracking=0)):
        assert parsl.python_app(abs)(-1).result(60) == 1
        assert listeners(os.getpid()) == before
    parsl.clear()


def test_python_apps_run_on_the_nodes_and_follow_each_other(kernel: Any) -> None:
    @parsl.python_app
    def where(*before: int) -> int:
        import os

        return os.getpid() if not before else sum(before)

    pids = [where() for _ in range(4)]
    total = where(*pids)
    assert total.result(60) == sum(pid.result(0) for pid in pids)
    assert os.getpid() not in {pid.result(0) for pid in pids}


def test_bash_apps_run_there_with_their_files(kernel: Any, tmp_path: Path) -> None:
    @parsl.bash_app
    def write(text: str, outputs: tuple[Any, ...] = (), stdout: str | None = None) -> str:
        return f"echo {text}; echo {text} > {outputs[0].filepath}"

    @parsl.python_app
    def read(inputs: tuple[Any, ...] = ()) -> str:
        with open(inputs[0].filepath) as file:
            return file.read()

    file = parsl.File(str(tmp_path / "out.txt"))
    written = write("ahoy", outputs=[file], stdout=str(tmp_path / "printed"))
    assert read(inputs=[written.outputs[0]]).result(60) == "ahoy\n"
    assert written.result(0) == 0
    assert (tmp_path / "printed").read_text() == "ahoy\n"


def test_an_app_that_fails_is_tried_again_and_then_tells(kernel: Any, tmp_path: Path) -> None:
    @parsl.python_app
    def breaks(notes: str) -> None:
        with open(notes, "a") as file:
            file.write("tried\n")
        raise ValueError("no such frame")

    with pytest.raises(ValueError, match="no such frame"):
        breaks(str(tmp_path / "notes")).result(60)
    assert (tmp_path / "notes").read_text() == "tried\ntried\n"


def test_resources_that_nodes_do_not_give_are_refused(kernel: Any) -> None:
    @parsl.python_app
    def double(n: int, parsl_resource_specification: dict[str, Any] | None = None) -> int:
        return 2 * n

    assert double(4, parsl_resource_specification={"priority": 5}).result(60) == 8
    refused = double(4, parsl_resource_specification={"cores": 4, "memory": 100})
    error = refused.exception(60)
    assert "cores" in str(error)
    assert "'priority' alone" in str(error)
