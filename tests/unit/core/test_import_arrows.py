"""DESIGN's arrows: rooms import downward only, and third-party protocols are met at one door each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "kernels_ext" / "pilothouse"

#: What each room may import from the library; what stands at its root is for all.
BASE = {"errors", "state", "telemetry"}
ROOMS = {
    "errors": set(),
    "state": {"errors"},
    "telemetry": {"state", "errors"},
    "pilots": BASE,
    "data": BASE | {"pilots"},
    "streams": BASE | {"pilots", "data"},
    "md": BASE | {"pilots", "data"},
    "market": BASE | {"pilots", "data", "streams", "md"},
}
#: Third-party module -> the files (below the root of the checkout) that may import it.
DOORS = {
    "nostr_sdk": {"kernels_ext/pilothouse/market/nostr/session.py"},
    "dask_jobqueue": {"kernels_ext/pilothouse/pilots/queues/headers.py"},
    "lmdb": {"kernels_ext/pilothouse/streams/brokers/log.py"},
}
JUPYTER = {"IPython", "ipykernel", "ipywidgets", "anywidget", "jupyter_server", "jupyter_events", "nbformat"}


def imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    hidden = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            if node.module == "pilothouse":
                yield from (f"pilothouse.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path}: relative import")


def sources() -> list[Path]:
    roots = (LIBRARY, ROOT / "widgets", ROOT / "lab_extension" / "py")
    return [path for root in roots for path in sorted(root.rglob("*.py")) if "node_modules" not in path.parts]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    inside = path.is_relative_to(LIBRARY)
    room = path.relative_to(LIBRARY).parts[0].removesuffix(".py") if inside else ""
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top in DOORS:
            assert where in DOORS[top], f"{where} imports {name}"
        if inside:
            assert top not in {"pilothouse_widgets", "pilothouse_lab"}, f"{where} imports {name}"
            if top in JUPYTER:
                assert room == "magics", f"{where} imports {name}: Jupyter belongs to magics, widgets and lab_extension"
            if top == "MDAnalysis":
                assert room == "md", f"{where} imports {name}"
            if top == "pilothouse" and rest and room in ROOMS:
                target = rest.split(".")[0]
                assert target == room or target in ROOMS[room], f"{where} imports {name}: that points upward"
