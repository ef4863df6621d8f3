"""The notebook that runs Hadoop on HPC again: with what every pilot has, and with all engines."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.kernels import AsyncFolderKernelManager

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "94_paper_hadoop_on_hpc.ipynb"
DASK = 'WAYS, ENGINES, REPEATS, UNITS = ["dask"], ["dask"], 1, 1'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def execute(parameters: str = "") -> nbformat.NotebookNode:
    """The notebook with the outputs of a run, with other parameters than its own where they are given."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    cell.source = parameters or cell.source
    NotebookClient(notebook, timeout=500, kernel_name="python3", kernel_manager_class=AsyncFolderKernelManager).execute(
        cwd=str(NOTEBOOK.parent)
    )
    return notebook


def shown(notebook: nbformat.NotebookNode, contains: str, kind: str = "text/plain") -> str:
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and contains in cell.source]
    return "\n".join(str(output.get("text") or output["data"][kind]) for output in cell.outputs)


def check(notebook: nbformat.NotebookNode, titles: list[str], engines: list[str]) -> None:
    assert "501.0" in shown(notebook, "published.completion()")
    assert shown(notebook, "measuring.oracle").count("kernel alone") == 3
    seconds = shown(notebook, 'ours["completion"]', "text/html")
    assert "NaN" not in seconds  # which stands for what is missing
    for title in titles:
        assert f"<th>{title}</th>" in seconds
        assert f"{title}, 1,000,000 x 50: " in shown(notebook, "pictures.completion")
        assert title in shown(notebook, "way.start_up", "text/html")
    for engine in engines:
        assert engine in shown(notebook, "measuring.start_ups", "text/html")


def test_the_stored_notebook_is_small_and_holds_no_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 50_000
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_it_runs_with_what_every_pilot_has(state_home: Path) -> None:
    check(execute(DASK), ["Dask tasks"], ["a pilot with Dask"])
    assert list((state_home / "pilots").glob("*.json"))  # where its pilots were


@pytest.mark.engines
def test_it_runs_with_all_engines(state_home: Path) -> None:
    for package in ("mpi4py", "pyspark", "ray", "jpype"):
        pytest.importorskip(package)
    titles = ["Dask tasks", "MPI ranks", "Spark tasks", "Ray tasks", "Dask tasks in YARN containers"]
    check(execute(), titles, ["Apache Kafka", "Apache Spark"])
