"""DESIGN's arrows: rooms import downward only, no file reaches itself, third parties are met at one door each."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "kernels_ext" / "pilothouse"

FLOOR = {"errors", "installed", "state", "telemetry", "waiting", "sync", "room", "pictures", "remains", "tables"}
REGISTRY = FLOOR | {"registry"}
SITES = REGISTRY | {"pilots.sites"}
QUEUES = SITES | {"pilots.queues"}
RUNS = REGISTRY | {"runs"}
TASKS = RUNS | SITES | {"tasks"}
ENGINES = TASKS | {"engines"}
SUPERVISOR = QUEUES | RUNS | {"pilots.node", "pilots.supervisor"}
PILOTS = SUPERVISOR | ENGINES | {"pilots"}
#: What each room may import from the library, itself included. Where rooms lie in rooms, the innermost counts.
ROOMS = {
    "errors": set(),
    "installed": set(),
    "state": {"errors"},
    "telemetry": {"state", "errors"},
    "waiting": {"errors"},
    "sync": {"errors"},
    "room": set(),
    "pictures": set(),
    "remains": set(),
    "tables": set(),
    "registry": REGISTRY,
    "runs": RUNS,
    "tasks": TASKS,
    "engines": ENGINES,
    "pilots.sites": SITES,
    "pilots.queues": QUEUES,
    "pilots.node": RUNS | {"pilots.node"},
    "pilots.supervisor": SUPERVISOR,
    "pilots": PILOTS,
    "data": PILOTS | {"data"},
    "streams": PILOTS | {"data", "streams"},
    "md": PILOTS | {"data", "md"},
    "market": PILOTS | {"data", "streams", "md", "market"},
    "testing": PILOTS | {"data", "streams", "testing"},  # for third parties; nothing here imports it
    # What users type: these know public names only (and verbs the descriptions that forms are made of).
    "verbs": {"errors", "verbs"},
    "cli": {"errors", "tables", "verbs"},
    "magics": {"errors", "verbs", "magics"},
}
#: Files that may import more than their room.
FILES: dict[str, set[str]] = {
    "pilothouse": {"engines", "pilots", "runs", "magics", "room"},  # the public names
    "pilothouse.__main__": {"cli"},
    "pilothouse.engines.hadoop.queue": {"pilots.queues"},  # a queue, by its entry point; Java's bridges are in engines
    "pilothouse.magics.completion": {"installed", "state", "pilots.queues"},  # names are completed from files alone
}
#: Imports that lead up by their nature: IPython calls the package to load the magics.
HOOKS = {("pilothouse", "pilothouse.magics")}
#: Third-party module -> the files (below the root of the checkout) that may import it.
DOORS = {
    "nostr_sdk": {"market/nostr/library.py"},
    "dask_jobqueue": {"pilots/queues/headers.py"},
    "lmdb": {"streams/brokers/log.py"},
    "jgo": {"engines/jvm/jars.py"},
    "confluent_kafka": {"engines/kafka/clients.py", "engines/kafka/consumer.py", "engines/kafka/member.py"},
    "kafka": {"engines/kafka/administration.py"},
    "mpi4py": {"tasks/ranks/rank.py"},
    "jpype": {"engines/hadoop/master.py"},
    "parsl": {"engines/executors/parsl.py", "engines/executors/provider.py"},
}
JUPYTER = {"IPython", "ipykernel", "ipywidgets", "anywidget", "jupyter_server", "jupyter_events", "nbformat"}


class Import(NamedTuple):
    """One import: the module that is meant, whether it only serves types, and whether a string names it."""

    name: str
    line: int
    types: bool
    by_string: bool


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def library() -> dict[str, Path]:
    return {module_of(path): path for path in sorted(LIBRARY.rglob("*.py"))}


def imports(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names = sorted(full & library().keys()) + ([] if full <= library().keys() else [node.module or ""])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names = by_string(node)
        for name in names:
            yield Import(name, getattr(node, "lineno", 0), id(node) in types, isinstance(node, ast.Call))


def by_string(call: ast.Call) -> list[str]:
    """What ``importlib.import_module`` is given, as far as it is written there."""
    written = call.args[0]
    return [written.value] if isinstance(written, ast.Constant) and isinstance(written.value, str) else []


def room_of(module: str) -> str:
    """The innermost room that `module` is in; empty for the package itself."""
    inside = module.partition(".")[2]
    return max((room for room in ROOMS if inside == room or inside.startswith(f"{room}.")), key=len, default="")


def sources() -> list[Path]:
    roots = (LIBRARY, ROOT / "widgets", ROOT / "lab_extension" / "py")
    return [path for root in roots for path in sorted(root.rglob("*.py")) if "node_modules" not in path.parts]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_third_parties_are_met_at_their_doors(path: Path) -> None:
    inside = path.is_relative_to(LIBRARY)
    for found in imports(path):
        where = f"{path.relative_to(ROOT)}:{found.line} imports {found.name}"
        top = found.name.partition(".")[0]
        if found.types:
            continue
        assert top not in DOORS or (inside and path.relative_to(LIBRARY).as_posix() in DOORS[top]), where
        if inside:
            assert top not in {"pilothouse_widgets", "pilothouse_lab"} or found.by_string, where
            assert top not in JUPYTER or room_of(module_of(path)) == "magics", where
            assert top != "MDAnalysis" or room_of(module_of(path)) == "md", where


@pytest.mark.parametrize("module", library())
def test_rooms_import_downward(module: str) -> None:
    room = room_of(module)
    allowed = ROOMS.get(room, set()) | FILES.get(module, set()) | {room}
    for found in imports(library()[module]):
        if found.name in library() and found.name != "pilothouse" and not found.types:
            assert room_of(found.name) in allowed, f"{module}:{found.line} imports {found.name}: that points upward"


def test_no_file_reaches_itself() -> None:
    """Function-level imports count; those that only serve types do not, nor that a package is imported with a file."""
    reaches = {
        module: {
            found.name
            for found in imports(path)
            if found.name in library() and not found.types and (module, found.name) not in HOOKS
        }
        - {module}
        for module, path in library().items()
    }
    circles = sorted({tuple(circle) for module in reaches if (circle := circle_of(module, reaches))}, key=len)
    assert not circles, "\n".join(" -> ".join(circle) for circle in circles)


def circle_of(start: str, reaches: dict[str, set[str]]) -> list[str]:
    """A shortest way from `start` to itself; empty when there is none."""
    ways: list[list[str]] = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for target in sorted(reaches[way[-1]]):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("pilothouse.pilots.node.node pilothouse.tasks.launcher", "pydantic distributed"),  # there are many of them
        ("pilothouse.pilots.supervisor.owner", "distributed numpy cryptography"),  # numpy not at all, see its main()
    ],
)
def test_what_starts_for_each_pilot_or_node_loads_only_what_it_uses(modules: str, heavy: str) -> None:
    code = f"import sys, {', '.join(modules.split())}; print([name for name in {heavy.split()} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
