"""What README.md shows works: its Python runs, in order, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_run_in_order(state_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {}
    found = blocks(README)
    assert len(found) == 6
    for number, block in enumerate(found, 1):
        exec(compile(block, f"README.md, example {number}", "exec"), namespace)
    assert namespace["rmsd"]["rmsd"].attrs["units"] == "Å"
    assert float(namespace["distances"]["hausdorff"].max()) == pytest.approx(1.28, abs=0.01)
    assert float(namespace["array"].mean()) == pytest.approx(float(namespace["ref"].get().mean()))
    assert namespace["job"].result()["accuracy"] > 0.9
    assert namespace["job"].result()["ledger"].balanced
    namespace["pilot"].cancel()
    assert namespace["pilot"].state == "finished"
    assert "285" in capsys.readouterr().out


def test_examples_have_about_ten_lines() -> None:
    assert max(len(block.splitlines()) for block in blocks(README)) <= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://") and target != "docs/images/lab.png":  # a test of the panel takes that one
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_documented_python_is_python() -> None:
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            compile(block, page.name, "exec")
