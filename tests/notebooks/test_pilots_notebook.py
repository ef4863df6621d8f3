"""The notebook about pilots, on this computer and on a real Slurm, in two kernels: the first one is killed half-way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from pilothouse.pilots.submission import pilots
from tests.kernels import AsyncFolderKernelManager
from tests.slurm.cluster import SlurmCluster
from tests.slurm.login_node import login_node
from tests.waiting import eventually

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "10_pilots.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def execute(folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run; the kernel is killed where the text says that it is restarted."""
    whole = nbformat.read(NOTEBOOK, as_version=4)
    (at,) = [number for number, cell in enumerate(whole.cells) if "after-restart" in cell.metadata.get("tags", ())]
    for cells in (whole.cells[:at], whole.cells[at:]):
        part = nbformat.from_dict({**whole, "cells": cells})
        client = NotebookClient(
            part,
            timeout=200,
            kernel_name="python3",
            kernel_manager_class=AsyncFolderKernelManager,
            shutdown_kernel="immediate",
        )
        client.execute(cwd=str(folder))
        for cell, done in zip(cells, part.cells, strict=True):
            cell.update(done)
    return whole


def text_of(executed: nbformat.NotebookNode, begins: str) -> str:
    (cell,) = [cell for cell in executed.cells if cell.cell_type == "code" and begins in cell.source]
    return "\n".join(str(output.get("text") or output.get("data", {}).get("text/plain")) for output in cell.outputs)


@contextmanager
def local(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILOTHOUSE_HOME", str(folder / "state"))
        try:
            yield
        finally:
            for pilot in pilots():
                pilot.cancel()


def check(executed: nbformat.NotebookNode, site: str) -> None:
    assert text_of(executed, "SITE = ").endswith(f"'{site}'")
    assert ("#SBATCH" in text_of(executed, "ph.script(")) == (site == "slurm")
    assert "2/2 nodes, running" in text_of(executed, "pilot.extend(1)")
    assert "temperature" in text_of(executed, "for cycle in range(3)")
    spreads = [line.split("spread ")[1].split()[0] for line in text_of(executed, "for cycle").splitlines() if line]
    assert float(spreads[-1]) == pytest.approx(8, rel=0.01)
    assert text_of(executed, "pilot.runs()[0]").endswith("'still here'")
    assert "lost" in text_of(executed, "signal.SIGKILL")
    assert "2/2 nodes, running" in text_of(executed, "pilot.recover()")
    assert text_of(executed, "pilot.not_recovered").endswith("45")
    assert "supervisor 2" in text_of(executed, "pilot.timeline()")
    assert "node_hours" in text_of(executed, "pilot.cost()")
    assert "taken over" in text_of(executed, "pilot.events()")
    assert "finished" in text_of(executed, "pilot.cancel()")
    assert text_of(executed, "ph.sweep()").endswith("[]")


def test_the_stored_notebook_is_small_and_holds_no_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 50_000
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_on_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_CONF", raising=False)
    monkeypatch.setenv("PATH", _without_slurm(tmp_path))
    with local(tmp_path):
        check(execute(tmp_path), "local")


@pytest.mark.nightly
def test_on_slurm(empty_slurm: SlurmCluster) -> None:
    with login_node(empty_slurm) as login, tempfile.TemporaryDirectory(dir=login.folder) as folder:
        executed = execute(Path(folder))
        check(executed, "slurm")
        adopted = [line for line in text_of(executed, "pilot.events()").splitlines() if "node failed" in line]
        assert adopted == [], "the jobs that ran went on under the new supervisor"
        assert login.alive() == []
        eventually(lambda: not login.processes(), "the end of the supervisor")


def _without_slurm(folder: Path) -> str:
    """A search path on which no batch system is found: what else is there is linked into one folder."""
    programs = folder / "bin"
    programs.mkdir()
    hidden: Any = ("sinfo", "squeue", "sbatch", "qhost", "qconf", "oarnodes", "pbsnodes", "lsid", "bqueues")
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            if program.name not in hidden:
                link = programs / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    return str(programs)
