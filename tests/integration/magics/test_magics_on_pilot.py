from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import pilothouse as ph


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = InteractiveShell(
        config=Config({"HistoryManager": {"enabled": False}, "HistoryAccessor": {"enabled": False}})
    )
    made.run_line_magic("load_ext", "pilothouse")
    yield made
    made.run_line_magic("unload_ext", "pilothouse")


def test_a_cell_runs_on_a_node(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%%on tests\nimport os\nprint('hello from the node')\nos.getpid()")
    result.raise_error()
    assert result.result in {node.pid for node in local_pilot.nodes}
    assert "hello from the node" in capsys.readouterr().out


def test_a_cell_that_fails_there_shows_its_traceback_and_what_it_printed(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%%on tests\nprint('before')\n1 / 0")
    assert isinstance(result.error_in_exec, UsageError)
    assert "ZeroDivisionError" in str(result.error_in_exec)
    assert "before" in capsys.readouterr().out


def test_a_cell_whose_value_does_not_pickle_comes_back_as_text(shell: InteractiveShell, local_pilot: ph.Pilot) -> None:
    result = shell.run_cell("%%on tests\n(i for i in ())")
    result.raise_error()
    assert result.result.startswith("<generator object")


def test_a_pilot_lives_its_life_by_magics(shell: InteractiveShell, state_home: Path) -> None:
    shell.run_cell("pilot = %pilot start local --name anna --wait").raise_error()
    pilot = shell.user_ns["pilot"]
    assert pilot.name == "anna"
    shell.run_cell("%pilot extend anna").raise_error()
    assert pilot.record.nodes_wanted == 2
    shell.run_cell("%pilot shrink anna 1").raise_error()
    assert pilot.record.nodes_wanted == 1
    shell.run_cell("events = %pilot events anna").raise_error()
    assert shell.user_ns["events"]
    shell.run_cell("%pilot cancel anna").raise_error()
    assert pilot.state == "finished"


def test_runs_are_stopped_by_name_and_keep_their_result(shell: InteractiveShell, local_pilot: ph.Pilot) -> None:
    shell.user_ns["ph"] = ph
    shell.run_cell("run = %stream run --name magic-stream --pilot tests rate=50").raise_error()
    run = shell.user_ns["run"]
    deadline = time.monotonic() + 60
    while not any(run.frame().columns.get("consumed", ())) and time.monotonic() < deadline:
        time.sleep(0.05)
    shell.run_cell("%runs stop magic-stream").raise_error()
    assert run.state == "finished"
    shell.run_cell("result = %runs result magic-stream").raise_error()
    result = shell.user_ns["result"]
    assert int(result["consumed"]) == int(result["produced"]) > 0
