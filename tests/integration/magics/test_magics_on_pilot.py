from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import pilothouse as ph
from pilothouse.pilots.node.cells import execute
from tests.waiting import eventually


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


def test_what_fails_in_a_cell_is_shown_as_the_users_own(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = "%%on tests\ndef half(x):\n    return x / 0\nprint('before')\nhalf(1)"
    result = shell.run_cell(cell, store_history=True)
    assert type(result.error_in_exec) is ZeroDivisionError
    assert str(result.error_in_exec) == "division by zero"
    shown = capsys.readouterr().out
    assert "before" in shown
    text = shown[shown.index("Traceback (most recent call last)") :]
    assert 'File "Cell In[1] on tests", line 5, in <module>\n    half(1)' in text
    assert "line 3, in half\n    return x / 0" in text
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "pilothouse" not in text
    assert "distributed" not in text


def test_an_exception_whose_class_is_the_cells_own_comes_with_its_name(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%%on tests\nclass Odd(Exception): pass\nraise Odd('no')")
    assert type(result.error_in_exec).__name__ == "Odd"
    assert capsys.readouterr().out.rstrip().endswith("Odd: no")


def test_a_mistake_in_a_cells_syntax_is_shown_with_its_line(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%%on tests\n1 +* 2")
    assert type(result.error_in_exec).__name__ == "SyntaxError"
    printed = capsys.readouterr()
    shown = printed.out + printed.err
    assert "line 2" in shown
    assert "1 +* 2" in shown
    assert "cells.py" not in shown
    assert "handle.py" not in shown


def test_a_group_of_exceptions_is_shown_without_frames_of_ours(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%%on tests\nraise ExceptionGroup('several', [ValueError(1), KeyError(2)])")
    assert type(result.error_in_exec).__name__ == "ExceptionGroup"
    printed = capsys.readouterr()
    assert "ValueError: 1" in printed.out + printed.err
    assert "cells.py" not in printed.out + printed.err


def test_output_errors_and_warnings_appear_as_those_of_any_cell(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(
        "%%on tests\nimport sys, warnings, logging\nprint('to stdout')\nprint('to stderr', file=sys.stderr)\n"
        "warnings.warn('take care')\nlogging.getLogger('mine').warning('logged')"
    ).raise_error()
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1:] == ["to stdout"]
    assert "to stderr\n" in printed.err
    assert "Cell In[0] on tests:5: UserWarning" in printed.err
    assert "UserWarning: take care\n  warnings.warn('take care')" in printed.err
    assert "logged" in printed.err


def test_what_a_cell_prints_appears_while_it_runs(local_pilot: ph.Pilot, tmp_path: Path) -> None:
    heard: list[str] = []
    go_on = tmp_path / "go-on"

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            heard.append(text)
            if "waiting" in text:
                go_on.touch()
            return len(text)

    source = (
        f"import time, pathlib\nprint('waiting')\nwhile not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.02)"
    )
    with contextlib.redirect_stdout(Screen()):
        local_pilot.run_cell(source)
    assert "".join(heard) == "waiting\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [("import sys; sys.exit(3)", SystemExit), ("raise KeyboardInterrupt", KeyboardInterrupt)],
)
def test_a_cell_that_exits_is_shown_as_what_it_is_and_no_node_ends(
    shell: InteractiveShell,
    local_pilot: ph.Pilot,
    capsys: pytest.CaptureFixture[str],
    line: str,
    error: type[BaseException],
) -> None:
    before = {node.pid for node in local_pilot.nodes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # IPython's advice how to exit
        result = shell.run_cell(f"%%on tests\n{line}")
    assert type(result.error_in_exec) is error
    assert error.__name__ in capsys.readouterr().out
    shell.run_cell("%%on tests\n1 + 1").raise_error()
    assert {node.pid for node in local_pilot.nodes} == before


def test_a_cell_that_ends_its_process_takes_one_node_and_says_so(shell: InteractiveShell, state_home: Path) -> None:
    with ph.submit("local", name="fragile", nodes=2, cores=1).wait(timeout=60) as pilot:
        before = {node.pid for node in pilot.nodes}
        result = shell.run_cell("%%on fragile\nimport os; os._exit(3)")
        assert isinstance(result.error_in_exec, UsageError)
        assert "ended by itself with exit code 3" in str(result.error_in_exec)
        assert "cell() (key 'cell-" in str(result.error_in_exec)
        pilot.wait(nodes=2, timeout=60)
        assert len(before & {node.pid for node in pilot.nodes if node.state == "running"}) == 1


def test_the_line_shown_can_be_pasted(
    shell: InteractiveShell, local_pilot: ph.Pilot, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%%on tests\ntext = 'it\\'s'\nprint(text, \"and\")\n6 * 7").raise_error()
    line = capsys.readouterr().out.splitlines()[0]
    shell.run_cell("import pilothouse as ph").raise_error()
    result = shell.run_cell(line)
    result.raise_error()
    assert result.result == 42
    assert "it's and" in capsys.readouterr().out


def test_cells_side_by_side_keep_their_output_apart(local_pilot: ph.Pilot) -> None:
    def source(word: str) -> str:
        return f"import time\nfor _ in range(20):\n    print({word!r})\n    time.sleep(0.02)"

    client = local_pilot.client()
    where = next(iter(client.scheduler_info(-1)["workers"]))
    heard: dict[str, list[str]] = {"a": [], "b": []}
    client.subscribe_topic("pilothouse-cells", lambda event: heard[event[0]].extend(text for _, text in event[1]))
    futures = [
        client.submit(execute, source(word), "cell", client.id, word, workers=[where], pure=False, key=word)
        for word in heard
    ]
    client.gather(futures)
    for word, texts in heard.items():
        eventually(lambda word=word, texts=texts: "".join(texts) == f"{word}\n" * 20, f"all of {word}")  # type: ignore[misc]


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
    shell.run_cell("run = %stream run --name magic-stream --pilot tests rate=20 points=100").raise_error()
    run = shell.user_ns["run"]
    eventually(lambda: any(run.frame().columns["consumed"]), "what has been consumed")
    shell.run_cell("%runs stop magic-stream").raise_error()
    assert run.state == "finished"
    shell.run_cell("result = %runs result magic-stream").raise_error()
    result = shell.user_ns["result"]
    assert int(result["consumed"]) == int(result["produced"]) > 0
