"""What PBS's commands print, made by us after OpenPBS's manual and sources, and the scripts that it gets."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.pbs import PBSQueue, parse_arrays, parse_limits, parse_qstat
from pilothouse.registry.records import State
from tests.unit.pilots.queues.jobs import job

QSTAT = """\
Job Id: 1234.pbs01
    Job_Name = pilothouse-abc123-p-1
    Job_Owner = ada@login1
    resources_used.walltime = 00:10:00
    job_state = R
    queue = workq
    exec_host = node7/0*4
    exec_vnode = (node7:ncpus=4:mem=4194304kb)
    Resource_List.select = 1:ncpus=4:mem=4096mb
    Resource_List.walltime = 01:00:00
    ctime = Fri Jan 15 09:20:00 2027
    stime = Fri Jan 15 09:30:00 2027
    Variable_List = PBS_O_HOME=/home/ada,PBS_O_LANG=C,BASH_FUNC_module%%=() {{
 eval `/usr/bin/modulecmd bash $*`
},PBS_O_PATH=/usr/local/bin:/usr/bin:/bin:/opt/p
\tbs/bin
    comment = Job run at Fri Jan 15 at 09:30 on (node7:ncpus=4:mem=4194304kb)

Job Id: 1235.pbs01
    Job_Name = pilothouse-abc123-a-very-long-name-of-a-pilot-that-qstat-breaks-int
\to-two-lines-2
    job_state = Q
    Resource_List.walltime = 01:00:00
    comment = Not Running: Insufficient amount of resource: ncpus (R: 4 A: 0 T:
\t 8)
    estimated.start_time = Fri Jan 15 10:30:00 2027

Job Id: 1236.pbs01
    Job_Name = pilothouse-abc123-p-3
    job_state = H
    depend = afterany:1234.pbs01@pbs01

Job Id: 1237.pbs01
    Job_Name = other
    job_state = H

"""


def ended(**values: object) -> str:
    lines = "".join(f"    {name} = {value}\n" for name, value in values.items())
    return f"Job Id: 9.pbs01\n    Job_Name = x\n    job_state = F\n{lines}\n"


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_berlin")
def test_a_listing_has_states_reasons_hosts_and_times() -> None:
    jobs = parse_qstat(QSTAT)
    running = jobs["1234.pbs01"]
    assert (running.state, running.host, running.reason) == (State.RUNNING, "node7", "")
    assert running.ends == datetime(2027, 1, 15, 8, 30, tzinfo=UTC) + timedelta(hours=1)
    assert running.submitted == datetime(2027, 1, 15, 8, 20, tzinfo=UTC)
    waiting = jobs["1235.pbs01"]
    assert waiting.state is State.PENDING
    assert waiting.tag == "pilothouse-abc123-a-very-long-name-of-a-pilot-that-qstat-breaks-into-two-lines-2"
    assert waiting.reason == "Insufficient amount of resource: ncpus (R: 4 A: 0 T: 8)"
    assert waiting.expected_start == datetime(2027, 1, 15, 9, 30, tzinfo=UTC)
    assert jobs["1236.pbs01"].reason == "waits for another job to end"
    assert jobs["1237.pbs01"].reason == "held"
    assert len(jobs) == 4


@pytest.mark.parametrize(
    ("values", "state", "code", "reason"),
    [
        ({"Exit_status": 0}, State.FINISHED, 0, ""),
        ({"Exit_status": 7}, State.FAILED, 7, "exit code 7"),
        ({"Exit_status": 271}, State.FAILED, -15, "signal 15"),
        ({"Exit_status": -29}, State.FAILED, None, "its walltime was over"),
        ({"Exit_status": -99}, State.FAILED, None, "PBS ended it (-99)"),
        ({}, State.FAILED, None, "deleted before it started"),
        (
            {"Exit_status": 271, "Resource_List.walltime": "00:01:00", "resources_used.walltime": "00:01:03"},
            State.FAILED, -15, "its walltime was over, signal 15",
        ),
    ],
)  # fmt: skip
def test_ends(values: dict[str, object], state: State, code: int | None, reason: str) -> None:
    status = parse_qstat(ended(**values))["9.pbs01"]
    assert (status.state, status.exit_code, status.reason) == (state, code, reason)


@pytest.mark.parametrize("text", ["", "<html>502</html>", "Job Id: 1.pbs01\n    what = this\n"])
def test_what_is_no_listing_is_no_answer(text: str) -> None:
    with pytest.raises(Unavailable, match="something else than jobs"):
        parse_qstat(text)


def test_queues_have_the_tighter_of_their_own_limits_and_the_nodes() -> None:
    queues = (
        "Queue: workq\n    queue_type = Execution\n    enabled = True\n    started = True\n"
        "    resources_max.walltime = 24:00:00\n    resources_max.ncpus = 64\n\n"
        "Queue: small\n    enabled = True\n    started = False\n    resources_max.mem = 2gb\n"
        "    resources_max.ncpus = 2\n\n"
    )
    nodes = (
        "n1\n     Mom = n1\n     state = free\n     resources_available.mem = 8388608kb\n"
        "     resources_available.ncpus = 16\n     resources_available.ngpus = 4\n\n"
        "n2\n     state = down,offline\n     resources_available.ncpus = 128\n"
    )
    workq, small = parse_limits(queues, "Server: pbs01\n    default_queue = workq\n", nodes)
    assert (workq.name, workq.default, workq.available, workq.walltime) == ("workq", True, True, 86_400.0)
    assert (workq.cores, workq.memory, workq.gpus) == (16, 8 * 2**30, 4)
    assert (small.default, small.available, small.cores, small.memory) == (False, False, 2, 2 * 2**30)


def test_a_variable_with_line_breaks_takes_nothing_from_its_job() -> None:
    text = (
        "Job Id: 7.pbs01\n    Job_Name = mine\n    job_state = F\n    Variable_List = PS1=\u2028\x0b,X=1\n"
        "}\nend of it\n\tand on\n    Exit_status = 0\n\nJob Id: 8.pbs01\n    odd = 1\n\n"
    )
    found = parse_qstat(text)
    assert {job: status.state for job, status in found.items()} == {"7.pbs01": State.FINISHED}


def test_a_node_that_is_being_set_up_is_starting() -> None:
    text = "Job Id: 7.pbs01\n    Job_Name = x\n    job_state = R\n    substate = 71\n    exec_host = n1/0\n\n"
    status = parse_qstat(text)["7.pbs01"]
    assert (status.state, status.reason) == (State.STARTING, "its host is being booted or set up")


def test_its_script_asks_for_what_the_description_says(tmp_path: Path, state_home: Path) -> None:
    wanted = job(
        "pbs", tmp_path, after="1233.pbs01", cores=4, memory="3900 MiB", gpus=2, walltime="90min", queue="workq",
        account="lab", constraint="model=ivy", exclusive=True, directives=["-m n"],
    )  # fmt: skip
    lines = PBSQueue(wanted.site).script(wanted).splitlines()
    assert lines[0] == "#!/bin/bash"
    assert [line.removeprefix("#PBS ") for line in lines if line.startswith("#PBS ")] == [
        f"-N {wanted.tag}", "-q workq", "-A lab", "-l select=1:ncpus=4:mem=3900mb:ngpus=2:model=ivy",
        "-l walltime=01:30:00", "-j oe", "-o /dev/null", "-r n", "-S /bin/bash", "-l place=excl",
        "-W depend=afterany:1233.pbs01", "-m n",
    ]  # fmt: skip
    assert f"exec >>'{wanted.log}' 2>&1" in lines
    assert lines[-1] == "exec /bin/true"


def test_several_nodes_of_one_job_are_a_chunk_each_on_a_host_of_its_own(tmp_path: Path, state_home: Path) -> None:
    wanted = dataclasses.replace(job("pbs", tmp_path, cores=4, exclusive=True), nodes=3, command=["true", "p-1"])
    script = PBSQueue(wanted.site).script(wanted)
    assert "#PBS -l select=3:ncpus=4:mpiprocs=1\n" in script
    assert "#PBS -l place=scatter:excl\n" in script
    assert 'pbsdsh -n "$rank" -- /bin/bash -l "$pilothouse_each" "$rank" &\n' in script


def test_without_wishes_its_script_leaves_them_to_pbs(tmp_path: Path, state_home: Path) -> None:
    wanted = job("pbs", tmp_path)
    script = PBSQueue(wanted.site).script(wanted)
    assert "#PBS -l select=1:ncpus=1\n" in script
    assert "walltime" not in script


def test_members_of_an_array_have_their_own_names_and_ends() -> None:
    """Of one that has ended, PBS does not always say how."""
    began = "    stime = Fri Jan 15 09:30:00 2027\n"
    found = parse_qstat(
        "".join(
            f"Job Id: 12[{index}].pbs01\n    Job_Name = pilothouse-abc123-p-9\n    job_state = {state}\n"
            for index, state in enumerate(("R", "Q", f"X\n    Exit_status = 3\n{began}", f"X\n{began}", "X"))
        )
    )
    assert [(job, status.tag[-4:], status.state.value, status.reason) for job, status in found.items()] == [
        ("12[0].pbs01", "-p-9", "running", ""),
        ("12[1].pbs01", "p-10", "pending", ""),
        ("12[2].pbs01", "p-11", "failed", "exit code 3"),
        ("12[3].pbs01", "p-12", "failed", "PBS does not say how"),
        ("12[4].pbs01", "p-13", "failed", "deleted before it started"),
    ]


def test_only_arrays_that_may_be_ours_are_looked_into() -> None:
    array = "Job Id: {}[].pbs01\n    Job_Name = mine\n    job_state = B\n    array_indices_submitted = 0-{}\n"
    assert parse_arrays(QSTAT + array.format(12, 99) + array.format(13, 9999)) == ["12[].pbs01"]
