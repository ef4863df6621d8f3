from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from pilothouse.magics.completion import complete
from pilothouse.magics.line import words
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord, State
from pilothouse.state import utcnow
from pilothouse.verbs import GROUPS


def names(shell: InteractiveShell) -> set[str]:
    return {*shell.magics_manager.magics["line"], *(f"%{name}" for name in shell.magics_manager.magics["cell"])}


def test_loading_imports_nothing_that_computes() -> None:
    code = (
        "import sys, json; from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell();"
        "before = set(sys.modules); shell.run_line_magic('load_ext', 'pilothouse');"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = set(json.loads(found.stdout.splitlines()[-1]))
    assert "pilothouse.magics.line" in new
    assert not {module.partition(".")[0] for module in new} & {
        "dask",
        "distributed",
        "pydantic",
        "numpy",
        "xarray",
        "bokeh",
    }


def test_loading_twice_reloading_and_unloading(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    with_them = names(shell)
    assert {*GROUPS, "%on"} <= with_them
    shell.run_line_magic("load_ext", "pilothouse")
    shell.run_line_magic("reload_ext", "pilothouse")
    assert names(shell) == with_them
    shell.run_line_magic("unload_ext", "pilothouse")
    assert not {*GROUPS, "%on"} & names(shell)
    assert complete not in [hook for key, hook in shell.strdispatchers["complete_command"].flat_matches("%pilot")]
    shell.run_line_magic("load_ext", "pilothouse")
    assert names(shell) == with_them


def test_ipythons_own_run_goes_on_working(shell: InteractiveShell, tmp_path: Path, state_home: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("answer = 6 * 7\n")
    shell.run_cell(f"%run {script}").raise_error()
    assert shell.user_ns["answer"] == 42
    assert shell.run_cell("%runs").result == []


def test_the_docstring_is_the_manual(shell: InteractiveShell) -> None:
    for group, (about, verbs) in GROUPS.items():
        text = shell.find_line_magic(group).__doc__ or ""
        assert about in text
        for verb in verbs:
            assert verb.name in text
            assert verb.help.split(":")[0][:30] in " ".join(text.split())


def test_a_magic_prints_its_line_and_returns_the_handles(
    shell: InteractiveShell, state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PILOTS.write(PilotRecord(name="old", site="local", state=State.FINISHED, created=utcnow()))
    result = shell.run_cell("found = %pilot list")
    result.raise_error()
    assert [pilot.name for pilot in shell.user_ns["found"]] == ["old"]
    assert capsys.readouterr().out.splitlines()[0] == "ph.pilots()"


def test_without_a_command_pilots_are_listed(shell: InteractiveShell, state_home: Path) -> None:
    assert shell.run_line_magic("pilot", "") == []


def test_help_ends_no_kernel(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run_line_magic("pilot", "start --help") is None
    assert "--nodes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("%pilot launch", "invalid choice"),
        ("%pilot extend", "required"),
        ("%pilot extend anna many", "invalid int"),
        ("%pilot extend nobody", "no pilot or run has that name"),
        ("%pilot start mars", "no such site"),
        ("%pilot start --nodes 0", "nodes=0"),
        ("%pilot start 'local", "not closed"),
        ("%stream run rate", "NAME=VALUE"),
        ("%runs stop nobody", "no pilot or run has that name"),
        ("%%on nobody\n1 + 1", "no pilot or run has that name"),
        ("%%on\n1 + 1", "which pilot"),
    ],
)
def test_errors_are_one_message_and_no_traceback(
    shell: InteractiveShell, state_home: Path, capsys: pytest.CaptureFixture[str], line: str, text: str
) -> None:
    result = shell.run_cell(line)
    assert isinstance(result.error_in_exec, UsageError)
    assert text in str(result.error_in_exec)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert list(state_home.glob("*/*.json")) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("start --memory '4 GiB'", ["start", "--memory", "4 GiB"]),
        ('rmsd u.select_atoms("name CA")', ["rmsd", 'u.select_atoms("name CA")']),
        ("psa [a, b] metric='frechet'", ["psa", "[a, b]", "metric='frechet'"]),
        ("psa 'a' + 'b'", ["psa", "a", "+", "b"]),
        ("", []),
    ],
)
def test_words_may_be_expressions(line: str, expected: list[str]) -> None:
    assert words(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%pilot ", {"start", "list", "cancel", "extend"}),
        ("%pilot ca", {"cancel"}),
        ("%pilot extend ", {"anna", "board"}),
        ("%engines start ", {"anna"}),
        ("%engines start anna ", {"board"}),
        ("%engines stop ", {"board"}),
        ("%pilot cancel ", {"anna"}),
        ("%pilot logs ", {"anna", "km"}),
        ("%runs stop ", {"km"}),
        ("%pilot start ", {"local", "--nodes"}),
        ("%pilot start local --", {"--nodes", "--memory"}),
        ("%stream run --pilot ", {"anna"}),
        ("%stream run --source a --pilot an", {"anna"}),
        ("%%on ", {"anna"}),
    ],
)
def test_commands_options_and_names_are_completed(
    shell: InteractiveShell, state_home: Path, line: str, expected: set[str]
) -> None:
    PILOTS.write(PilotRecord(name="anna", site="local", state=State.FINISHED, created=utcnow()))
    RUNS.write(RunRecord(name="km", kind="stream", pilot="anna", state=State.FINISHED, created=utcnow()))
    parameters = {"engine": "board", "nodes": 1, "settings": {}}
    RUNS.write(RunRecord(name="board", kind="service", pilot="anna", created=utcnow(), parameters=parameters))
    symbol = "" if line.endswith(" ") else line.split()[-1]
    found = complete(shell, SimpleNamespace(text_until_cursor=line, symbol=symbol))
    assert expected <= set(found)
    if line == "%runs stop ":
        assert set(found) == {"board", "km"}
    if line == "%engines stop ":
        assert set(found) == {"board"}


def test_the_shell_itself_offers_the_names(shell: InteractiveShell, state_home: Path) -> None:
    PILOTS.write(PilotRecord(name="anna", site="local", state=State.FINISHED, created=utcnow()))
    shell.init_completer()
    shell.run_line_magic("reload_ext", "pilothouse")
    with provisionalcompleter():  # as kernels ask
        found = [each.text for each in shell.Completer.completions("%pilot cancel an", 16)]
    assert "anna" in found
