"""The tour is stored without outputs, and runs without a browser too; what it shows is looked at in tests/ui."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import nbformat

import pilothouse as ph

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "notebooks" / "00_tour.ipynb"


def test_the_stored_notebook_holds_no_outputs() -> None:
    for cell in nbformat.read(TOUR, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_a_run_without_a_browser_has_a_home_of_its_own_and_leaves_no_pilot(tour: ModuleType, tmp_path: Path) -> None:
    """A notebook like the tour, in small: the tour itself takes a minute, and is run in the Lab."""
    path = tmp_path / "small.ipynb"
    cells = ["import os, pilothouse as ph\nprint(os.environ['PILOTHOUSE_HOME'])", "pilot = ph.submit('local')\npilot"]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    before = [pilot.name for pilot in ph.pilots()]
    executed = tour.execute(path)
    home = executed.cells[0].outputs[0]["text"].strip()
    assert not Path(home).exists()
    assert [pilot.name for pilot in ph.pilots()] == before
    assert "local" in tour.to_html(executed)
