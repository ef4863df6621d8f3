"""What a job sets up, in which order, and that a line of it that fails is told: bash runs the scripts."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.pilots.queues.gridengine import GridEngineQueue
from pilothouse.pilots.queues.job_script import job_script
from pilothouse.pilots.queues.pbs import PBSQueue
from pilothouse.pilots.queues.protocols import Queue
from pilothouse.pilots.queues.slurm import SlurmQueue
from tests.unit.pilots.queues.jobs import job

#: Environment Modules as a function that jobs get from their environment.
PURGE = 'if [ "$1" = purge ]; then LOADEDMODULES=; PYTHONPATH=/gone; return; fi'
LOAD = "export LOADEDMODULES=$LOADEDMODULES:$2/1.0 PYTHONPATH=/of/$2"
TOO_OLD = "echo ModuleCmd_Load: unable to locate $2 >&2"
SHOW = ["/bin/sh", "-c", 'echo "$LOADEDMODULES $PYTHONPATH $MINE $OMP_NUM_THREADS"']


def ran(
    folder: Path, prologue: list[str], environment: dict[str, Any], module: str = ""
) -> subprocess.CompletedProcess[str]:
    plain = job("slurm", folder, environment=environment)
    wanted = replace(
        plain, site=plain.site.model_copy(update={"prologue": prologue}), command=SHOW,
        environment={"PYTHONPATH": "/ours/a b", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    functions = {"BASH_FUNC_module%%": f"() {{ {module}\n}}"} if module else {}
    return subprocess.run(
        ["/bin/bash"], input=job_script(wanted, ""), check=False, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **functions},
    )  # fmt: skip


def test_prologue_then_modules_then_environment_then_variables(tmp_path: Path, state_home: Path) -> None:
    venv = tmp_path / "my venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "activate").write_text('export MINE="$MINE then $LOADEDMODULES"\n')
    asked = {"modules": ["gcc", "gromacs"], "venv": str(venv.parent), "variables": {"OMP_NUM_THREADS": "4"}}
    done = ran(tmp_path, ["module purge", 'export MINE="early $LOADEDMODULES"'], asked, f"{PURGE}\n{LOAD}")
    loaded = ":gcc/1.0:gromacs/1.0"
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == f"{loaded} /ours/a b:/of/gromacs early  then {loaded} 4\n"


def test_a_prologue_may_say_what_else_is_ours(tmp_path: Path, state_home: Path) -> None:
    assert ran(tmp_path, ["export OMP_NUM_THREADS=8"], {}).stdout == " /ours/a b  8\n"


@pytest.mark.parametrize(
    ("prologue", "environment", "module", "code", "line", "also"),
    [
        (["true", "cd /nowhere"], {}, "", 1, "cd /nowhere", "No such file or directory"),
        (["true | grep -q x"], {}, "", 1, "true | grep -q x", ""),
        (["f() { return 3; }", "f", "exit 9"], {}, "", 3, "f", ""),
        (["if true; then", "(exit 4)", "fi"], {}, "", 4, "(exit 4)", ""),
        ([], {"modules": ["gromacs"]}, "", 127, "module load gromacs", "module: command not found"),
        ([], {"modules": ["a", "b"]}, f'{LOAD}; [ "$2" = a ]', 1, "module load b", ""),
        ([], {"modules": ["nothing"]}, TOO_OLD, 1, "module_is_loaded nothing", "unable to locate nothing"),
        ([], {"conda": "md"}, "", 127, "conda activate md", "conda: command not found"),
        ([], {"venv": "/no where"}, "", 1, ". '/no where/bin/activate'", "No such file or directory"),
    ],
)
def test_a_line_that_fails_ends_the_start_and_is_named(
    prologue: list[str], environment: dict[str, Any], module: str, code: int, line: str, also: str,
    tmp_path: Path, state_home: Path,
) -> None:  # fmt: skip
    done = ran(tmp_path, prologue, environment, module)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"pilothouse: exit code {code} of '{line}': this node does not start" in done.stderr
    assert also in done.stderr


def test_what_only_looks_is_no_failure(tmp_path: Path, state_home: Path) -> None:
    sourced = tmp_path / "profile"
    sourced.write_text("false\ngrep -q x /dev/null\ntrue\n")
    lines = [
        "[ -d /nowhere ] && exit 9", "false || true", "! true", "if grep -q x /dev/null; then", "exit 9", "fi",
        f". {sourced}", "f() { false; true; }", "f", "(false; true)", "x=$(false; echo y)", "case z in", "a) exit 9 ;;",
        "esac", "cat >/dev/null <<END", "false", "END",
    ]  # fmt: skip
    done = ran(tmp_path, lines, {})
    assert (done.stderr, done.returncode, done.stdout) == ("", 0, " /ours/a b  1\n")


def test_after_the_set_up_the_trap_is_gone(tmp_path: Path, state_home: Path) -> None:
    plain = job("slurm", tmp_path)
    site = plain.site.model_copy(update={"prologue": ["true"], "epilogue": ["false", 'echo "ended $code"']})
    wanted = replace(plain, site=site, command=["/bin/sh", "-c", "exit 5"])
    done = subprocess.run(["/bin/bash"], input=job_script(wanted, ""), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (5, "ended 5\n", "")


def test_without_a_set_up_there_is_no_trap(tmp_path: Path, state_home: Path) -> None:
    assert job_script(job("slurm", tmp_path), "#SBATCH -N 1") == "#!/bin/bash\n#SBATCH -N 1\n\nexec /bin/true\n"


@pytest.mark.parametrize(
    ("queue", "index", "said"),
    [
        (SlurmQueue, {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "--array=0-4"),
        (PBSQueue, {"PBS_ARRAY_INDEX": "2"}, "-J 0-4"),
        (GridEngineQueue, {"SGE_TASK_ID": "3"}, "-t 1-5"),
    ],
)
def test_a_member_of_an_array_finds_its_name_and_its_log(
    tmp_path: Path, state_home: Path, queue: type[Queue], index: dict[str, str], said: str
) -> None:
    plain = job("slurm", tmp_path)
    plain.log.parent.mkdir()
    wanted = replace(plain, name="a-1-9", log=plain.log.with_name("a-1-9.log"), count=5)
    wanted = replace(wanted, command=["/bin/sh", "-c", "echo it is $0", "a-1-9"])
    script = queue(plain.site).script(wanted)  # type: ignore[call-arg]
    assert said in script
    subprocess.run(["/bin/bash"], input=script, check=True, text=True, env={"PATH": "/usr/bin:/bin", **index})
    assert plain.log.with_name("a-1-11.log").read_text() == "it is a-1-11\n"
