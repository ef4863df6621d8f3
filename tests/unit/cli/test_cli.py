from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import pilothouse as ph
from pilothouse.cli import NESTED, TOP, main
from pilothouse.registry.records import PILOTS, RUNS, NodeRecord, PilotRecord, Progress, RunRecord, State
from pilothouse.state import utcnow


@pytest.fixture
def records(state_home: Path) -> Path:
    PILOTS.write(
        PilotRecord(
            name="old", site="local", state=State.FAILED, reason="no room\ndetails", created=utcnow(), nodes_wanted=2,
            nodes=[NodeRecord(name="n1", state=State.FAILED)],
        )
    )  # fmt: skip
    RUNS.write(
        RunRecord(
            name="km", kind="stream", pilot="old", state=State.FINISHED, created=utcnow(),
            progress=Progress(done=5, total=10, unit="messages"),
        )
    )  # fmt: skip
    return state_home


@pytest.fixture
def board(records: Path) -> None:
    parameters = {"engine": "board", "nodes": 2, "settings": {}}
    RUNS.write(RunRecord(name="words", kind="service", pilot="old", created=utcnow(), parameters=parameters))


def test_a_service_is_listed_by_its_engine(board: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    lines = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [["name", "kind"], ["words", "board"], ["km", "stream"]]


def test_what_only_pilots_take_is_refused_for_services(board: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extend", "words", "--kind", "gpu"]) == 1
    assert "extend of the board 'words': got an unexpected keyword argument 'kind'" in capsys.readouterr().err


def test_pilots_are_a_table_and_the_python_line_goes_to_stderr(
    records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pilots"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "# ph.pilots()\n"
    head, line = printed.out.splitlines()
    assert head.split() == ["name", "state", "site", "nodes", "created", "reason"]
    assert line.split()[:4] == ["old", "failed", "local", "0/2"]
    assert line.endswith("no room")


def test_runs_are_a_table(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:6] == [
        "km",
        "stream",
        "old",
        "finished",
        "5/10",
        "messages",
    ]


@pytest.mark.parametrize(("command", "name"), [("pilots", "old"), ("runs", "km"), ("sites", "local")])
def test_json_is_alone_on_stdout(
    records: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    monkeypatch.setenv("PATH", "")  # no batch system's commands
    assert main([command, "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == [name]


def test_an_empty_list_says_so(state_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pilots"]) == 0
    assert capsys.readouterr().out == "(none)\n"
    assert main(["pilots", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["cancel", "nobody"], "no pilot or run has that name"),
        (["submit", "mars"], "no such site"),
        (["submit", "--nodes", "0"], "nodes=0"),
        (["submit", "--lease", "1000000000000d"], "lease"),
        (["logs", "old", "--tail", "0"], "tail=0"),
        (["submit", "--memory", "lots"], "memory"),
        (["submit", "--name", "No Good"], "No Good"),
        (["extend", "old"], "failed"),
        (["stream", "run", "rate"], "NAME=VALUE"),
        (["submit", "--walltime", "90"], "walltime='90': is it minutes or seconds? write '90min', '90s' or '1h30m'"),
        (["submit", "--kind", "big:memory=16"], "kinds.big.memory=16: is it GiB or MiB"),
        (["extend", "old", "1", "--walltime", "5:00"], "walltime='5:00': is it hours or minutes"),
        (["extend", "km"], "the stream 'km' has no extend()"),
        (
            ["logs", "km", "--node", "x"],
            "logs of the stream 'km': got an unexpected keyword argument 'node'; it takes tail",
        ),
    ],
)
def test_an_error_is_its_text_and_exit_status_1(
    records: Path, capsys: pytest.CaptureFixture[str], argv: list[str], text: str
) -> None:
    before = sorted(records.rglob("*.json"))
    assert main(argv) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    message = printed.err[printed.err.index("pilothouse: ") :]
    assert text in message
    assert "Traceback" not in printed.err
    assert sorted(records.rglob("*.json")) == before


def test_attach_to_what_has_ended_shows_it_and_ends(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attach", "km"]) == 0
    assert capsys.readouterr().out == "km: finished; 5 of 10 messages\n"
    assert main(["attach", "old"]) == 1
    assert "old: failed; nodes: 1 failed of 2; runs: none (no room)" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "status"), [("km", 0), ("old", 1)])
def test_attach_has_the_same_exit_status_with_json(
    records: Path, capsys: pytest.CaptureFixture[str], name: str, status: int
) -> None:
    assert main(["attach", name, "--json"]) == status
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_hours_have_two_digits_for_people_and_all_for_programs(
    records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = PILOTS.read("old")
    begun = record.created - timedelta(seconds=1234)
    record.nodes[0].submitted = record.nodes[0].started = begun
    record.nodes[0].ended = record.created
    PILOTS.write(record)
    assert main(["cost", "old"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["0.34", "0.34", "0.00", "0.00"]
    assert main(["cost", "old", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["node_hours"] == pytest.approx(1234 / 3600)


def test_what_has_ended_can_be_removed(records: Path) -> None:
    assert main(["remove", "km"]) == 0
    assert main(["remove", "old"]) == 0
    assert not ph.pilots()
    assert not ph.runs()
    assert main(["remove", "old"]) == 1


@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        (0, State.FINISHED, 0),
        (3, State.FAILED, 3),
        (-9, State.FAILED, 137),
        (0, State.FAILED, 1),  # an output is missing
        (None, State.LOST, 1),
    ],
)
def test_a_task_that_is_waited_for_gives_its_exit_status(
    records: Path, monkeypatch: pytest.MonkeyPatch, code: int | None, state: State, status: int
) -> None:
    task = SimpleNamespace(exit_code=code, state=state, record=RUNS.read("km"))
    monkeypatch.setattr(ph.Pilot, "execute", lambda *_, **__: SimpleNamespace(wait=lambda: task))
    assert main(["execute", "old", "--wait", "--", "prog", "--json"]) == status


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [[word] for word in TOP] + [[word, verb.name] for word, (_, verbs) in NESTED.items() for verb in verbs]
    for command in [[], *commands]:
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0
        assert "usage: pilothouse" in capsys.readouterr().out


def test_the_installed_command_works_and_loads_nothing_heavy(state_home: Path) -> None:
    code = (
        "import sys; from pilothouse.cli import main; code = main(['pilots']);"
        "heavy = ('dask', 'distributed', 'xarray', 'numpy', 'bokeh', 'IPython');"
        "print([module for module in heavy if module in sys.modules]); sys.exit(code)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["(none)", "[]"]
    script = Path(sys.executable).with_name("pilothouse")
    version = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip().count(".") >= 2


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("pilots --json | true", 0, ""),
        ("pilots 2>&1 | true", 0, ""),
        ("pilots >/dev/full", 1, "pilothouse: standard output can't be written: No space left on device"),
        ("--help >/dev/full", 1, "pilothouse: standard output can't be written: No space left on device"),
    ],
)
def test_a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one_line(
    records: Path, words: str, status: int, says: str
) -> None:
    found = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m pilothouse {words}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line for line in found.stderr.splitlines() if not line.startswith("# ")]
    assert said == [says] * bool(says)
    assert found.returncode == status
