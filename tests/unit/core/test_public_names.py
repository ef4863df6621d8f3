"""What ``ph.<TAB>`` and ``help()`` show: the public names, each explained."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import pilothouse as ph

ROOT = Path(__file__).parents[3]
ROOMS = ("data", "market", "md", "pilots", "streams")


def public(module: types.ModuleType) -> list[str]:
    return [name for name in dir(module) if not name.startswith("_")]


def test_tab_lists_the_public_names_and_no_others() -> None:
    assert set(public(ph)) == {*ph.__all__, "errors"}
    for room in ROOMS:
        module = getattr(ph, room)
        assert set(public(module)) == set(module.__all__), room


def test_ipython_completes_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config({"HistoryManager": {"enabled": False}, "HistoryAccessor": {"enabled": False}})
    shell = InteractiveShell(config=config, user_ns={"ph": ph})
    for text, module in (("ph.", ph), ("ph.streams.", ph.streams), ("ph.md.", ph.md), ("ph.market.", ph.market)):
        with provisionalcompleter():
            offered = [each.text.rsplit(".", 1)[-1] for each in shell.Completer.completions(text, len(text))]
        assert set(offered) == set(public(module)), text


CALLS = [
    ph.submit, ph.attach, ph.runs, ph.sites, ph.streams.run, ph.md.psa, ph.md.analyse, ph.md.heatmap,
    ph.market.connect, ph.market.Market.post, ph.market.Market.provide, ph.data.put, ph.Pilot.launch,
]  # fmt: skip


def test_a_room_that_can_be_called_is_the_function_and_the_room(state_home: Path) -> None:
    code = (
        "import pilothouse.pilots.attached as attached, pilothouse.streams.brokers.log as log; import pilothouse as ph;"
        "from pilothouse.pilots import Pilot; from pilothouse import pilots;"
        "print(ph.pilots(), pilots.Pilot is Pilot is ph.Pilot, ph.pilots.attached is attached, pilots.__all__[0]);"
        "print(ph.streams.brokers(), ph.streams.brokers.log is log)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["[] True True Pilot", f"{ph.streams.brokers()} True"]


def test_the_first_lines_of_the_documentation_type_check(tmp_path: Path) -> None:
    pages = {page: (ROOT / page).read_text() for page in ("docs/index.md", "README.md")}
    blocks = {page: re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0] for page, text in pages.items()}
    lines = [
        blocks["docs/index.md"],
        *blocks["README.md"].splitlines()[:-1],
        "reveal_type(ph.pilots())",
        "reveal_type(ph.streams.sources())",
    ]
    file = tmp_path / "first_lines.py"
    file.write_text("\n".join(lines))
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), str(file)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout
    assert "Handles[pilothouse.pilots.handle.Pilot]" in found.stdout
    assert '"dict[str, str]"' in found.stdout.replace("builtins.", "")


@pytest.mark.parametrize("function", CALLS, ids=lambda f: getattr(f, "__qualname__", type(f).__name__))
def test_every_parameter_is_explained(function: Any) -> None:
    signature = inspect.signature(function)
    text = inspect.getdoc(function) or inspect.getdoc(function.__call__) or ""
    if not inspect.isroutine(function) and "Parameters" not in text:
        text = inspect.getdoc(type(function).__call__) or ""
    assert len(text) > 20
    for name, parameter in signature.parameters.items():
        if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            assert name in text, f"{name} is not in the docstring"


def test_every_public_method_of_a_handle_is_explained() -> None:
    for handle in (ph.Pilot, ph.Run, ph.market.Job, ph.market.Market):
        for name, member in inspect.getmembers(handle):
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                assert inspect.getdoc(member), f"{handle.__name__}.{name}"


#: Modules that want a package which only tests of engines have.
WANTS = {"pilothouse.engines.executors.parsl": "parsl"}


def _modules() -> list[str]:
    names = (found.name for found in pkgutil.walk_packages(ph.__path__, "pilothouse."))
    return [name for name in names if importlib.util.find_spec(WANTS.get(name, "pilothouse"))]


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings_hold(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
