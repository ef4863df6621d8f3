"""What Slurm 22.05 printed, recorded on the emulated cluster, as states, reasons and limits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.slurm import SEPARATOR, SlurmQueue, parse_sacct, parse_sinfo, parse_squeue
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from tests.unit.pilots.queues.jobs import job as make_job

SQUEUE = """\
CLUSTER: c1
pilothouse-abc123-s-1|1|FAILED|NonZeroExitCode|1795383534|1795383537|n1|768|1795383500|
t.sh|2|PENDING|PartitionNodeLimit|N/A|N/A||0|1795383500|
pilothouse-abc123-s-2|3|RUNNING|None|1795383537|1795384137|n1|0|1795383500|
name¦with¦bars|4|PENDING|Resources|1795384137|1795384737||0|1795383500|
x|5|TIMEOUT|TimeLimit|1795383537|1795383600|n2|15|1795383500|
x|6|CANCELLED|None|1795383537|1795383600|n2|0|1795383500|
x|7|COMPLETED|None|1795383537|1795383600|n2|0|1795383500|
x|8|NODE_FAIL|None|1795383537|1795383600|n2|0|1795383500|
x|9|CONFIGURING|None|1795383537|1795384137|cloud7|0|1795383500|
"""


def separated(text: str) -> str:
    """With what stands between fields in place of bars; a broken bar is a bar."""
    return text.replace("|", SEPARATOR).replace("¦", "|")


SQUEUE = separated(SQUEUE)


def test_a_job_s_state_host_and_times() -> None:
    jobs = parse_squeue(SQUEUE)
    running = jobs["3"]
    assert (running.state, running.reason, running.host) == (State.RUNNING, "", "n1")
    assert running.ends == datetime.fromtimestamp(1795384137, UTC)
    assert running.tag == "pilothouse-abc123-s-2"
    assert running.expected_start is None
    assert running.submitted == datetime.fromtimestamp(1795383500, UTC)


def test_a_job_that_is_being_ended_does_not_say_when_its_walltime_is_over() -> None:
    """Its EndTime is when somebody cancelled it."""
    (job,) = parse_squeue(separated("x|7|COMPLETING|None|1795383537|1795383600|n2|0|1795383500|\n")).values()
    assert (job.state, job.ends) == (State.RUNNING, None)


@pytest.mark.parametrize(
    ("job", "reason", "start"),
    [
        ("2", "PartitionNodeLimit: larger than the partition allows: it will never start", None),
        ("4", "Resources: no node that fits is free", datetime.fromtimestamp(1795384137, UTC)),
    ],
)
def test_a_pending_job_says_why_and_when(job: str, reason: str, start: datetime | None) -> None:
    found = parse_squeue(SQUEUE)[job]
    assert (found.state, found.reason, found.expected_start) == (State.PENDING, reason, start)


def test_a_name_may_have_bars() -> None:
    assert parse_squeue(SQUEUE)["4"].tag == "name|with|bars"


@pytest.mark.parametrize(
    ("job", "state", "reason", "code"),
    [
        ("1", State.FAILED, "failed, exit code 3", 3),
        ("5", State.FAILED, "timeout, signal 15, its walltime was over", -15),
        ("6", State.FAILED, "cancelled", 0),
        ("7", State.FINISHED, "", 0),
        ("8", State.FAILED, "node fail", 0),
    ],
)
def test_an_ended_job_says_how(job: str, state: State, reason: str, code: int) -> None:
    found = parse_squeue(SQUEUE)[job]
    assert (found.state, found.reason, found.exit_code) == (state, reason, code)


def test_a_host_that_is_being_booted_is_starting() -> None:
    found = parse_squeue(SQUEUE)["9"]
    assert (found.state, found.reason, found.host) == (State.STARTING, "its host is being booted or set up", "cloud7")


@pytest.mark.parametrize("name", ["two\nlines", "x|11|RUNNING|None|1|2|n1|0|\n12|", "a\u2028b\x0bc\x85d\x1e", "\n\n"])
def test_a_name_may_be_anything(name: str) -> None:
    row = separated("NAME|10|RUNNING|None|1795383537|1795384137|n1|0|1795383500|\n").replace("NAME", name)
    found = parse_squeue(row + SQUEUE)
    assert list(found) == [str(number) for number in (10, *range(1, 10))]
    assert found["10"].tag == name.strip()
    accounts = separated("NAME|10|COMPLETED|0:0|n1|\nx|11|COMPLETED|0:0|n1|\n").replace("NAME", name)
    assert list(parse_sacct(accounts)) == ["10", "11"]


def test_a_record_that_can_not_be_read_costs_itself(state_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    strange = separated("what|is|this|\n")
    assert len(parse_squeue(strange + SQUEUE)) == 9
    assert "squeue printed something else than jobs, which is left out: 'what" in caplog.text
    with pytest.raises(Unavailable, match="something else than jobs"):  # ours: it must not count as gone
        parse_squeue(separated(f"{tag('s-1')}|10|RUNNING|\n") + SQUEUE)
    assert [queue.name for queue in parse_sinfo("odd|line\nnormal*|1:00:00|4|4000|(null)|(null)|up\n")] == ["normal"]


@pytest.mark.parametrize("folder", ["with blank", "%j", 'q"q', "q'q", "#", "back\\slash", "$HOME"])
def test_a_path_that_means_more_to_slurm_is_left_to_the_job(folder: str, tmp_path: Path, state_home: Path) -> None:
    wanted = make_job("slurm", tmp_path / folder)
    lines = SlurmQueue(wanted.site).script(wanted).split("\n")
    assert "#SBATCH -o /dev/null" in lines
    (exec_line,) = [line for line in lines if line.startswith("exec >>")]
    assert lines.index(exec_line) > lines.index("#SBATCH --no-requeue")


def test_garbage_is_not_taken_for_an_empty_queue() -> None:
    with pytest.raises(Unavailable, match="slurm_load_jobs"):
        parse_squeue("slurm_load_jobs error: Unable to contact slurm controller\n")


def test_accounting_knows_jobs_that_have_left() -> None:
    found = parse_sacct(
        separated(
            "pilothouse-abc123-s-1|11|COMPLETED|0:0|n1|\nx|12|CANCELLED by 1000|0:15|n2|\n"
            "x|13|FAILED|3:0|n3|\nx|14|RUNNING|0:0|n1|\n"
        )
    )
    assert (found["11"].state, found["11"].tag) == (State.FINISHED, "pilothouse-abc123-s-1")
    assert (found["12"].state, found["12"].exit_code) == (State.FAILED, -15)
    assert (found["13"].reason, found["13"].exit_code) == ("failed, exit code 3", 3)
    assert "14" not in found


def test_members_of_our_arrays_are_told_one_by_one(state_home: Path) -> None:
    ours = tag("s-8")
    text = separated(
        f"{ours}|7_[2-3,5%1]|PENDING|Resources|N/A|N/A||0|1795383500|\n"
        f"{ours}|7_0|RUNNING|None|1795383537|1795384137|n1|0|1795383500|\n"
        "sim-1|8_[0-9999]|PENDING|Priority|N/A|N/A||0|1795383500|\n"
        "mine|9_[1]|PENDING|Priority|N/A|N/A||0|1795383500|\n"
    )
    found = parse_squeue(text)
    assert {job: status.tag.removeprefix(tag()) for job, status in found.items() if status.tag.startswith(tag())} == {
        "7_2": "s-10", "7_3": "s-11", "7_5": "s-13", "7_0": "s-8",
    }  # fmt: skip
    assert found["7_5"].reason == "Resources: no node that fits is free"
    assert found["8_[0-9999]"].tag == "sim-1", "ours are never so long"
    assert found["9_1"].tag == "mine", "a directive may have named it otherwise"
    ended = parse_sacct(separated(f"{ours}|7_1|FAILED|3:0|n1|\n{ours}|7_[2-3]|CANCELLED by 0|0:0|None assigned|\n"))
    assert {job: (status.tag, status.exit_code) for job, status in ended.items()} == {
        "7_1": (tag("s-9"), 3), "7_2": (tag("s-10"), 0), "7_3": (tag("s-11"), 0),
    }  # fmt: skip


def test_partitions_and_their_limits() -> None:
    normal, debug, gpu = parse_sinfo(
        "normal*|1:00:00|4|4000|(null)|(null)|up\n"
        "normal*|1:00:00|8+|6000|fast,big|(null)|up\n"
        "debug|5:00|4|4000|(null)|(null)|up\n"
        "gpu|1-12:00:00|64|512000+|a100|gpu:a100:4(S:0-1),gpu:2|down\n"
    )
    assert (normal.name, normal.default, normal.walltime, normal.cores) == ("normal", True, 3600.0, 8)
    assert normal.memory == 6000 * 2**20
    assert normal.features == ["big", "fast"]
    assert (debug.default, debug.walltime, debug.gpus) == (False, 300.0, 0)
    assert (gpu.walltime, gpu.gpus, gpu.available) == (129_600.0, 6, False)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            "sbatch: error: Unable to contact slurm controller (connect failure)",
            Unavailable,
        ),
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", Refused),
    ],
)
def test_a_controller_that_is_away_refuses_nothing(
    said: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "sbatch"
    fake.write_text(f'#!/bin/sh\ncat > /dev/null\necho "{said}" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    queue = SlurmQueue(Site(name="slurm", system="slurm"))
    monkeypatch.setattr(queue, "script", lambda job: "#!/bin/sh\n")
    with pytest.raises(error):
        asyncio.run(queue.submit(None))  # type: ignore[arg-type]  # the script does not need it


def test_accounts_that_do_not_answer_are_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "sacct"
    fake.write_text("#!/bin/sh\necho 'sacct: error: Problem talking to the database: Connection refused' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    queue = SlurmQueue(Site(name="slurm", system="slurm"))
    with pytest.raises(Unavailable):
        asyncio.run(queue.history(["1"]))
    fake.write_text(f"#!/bin/sh\necho '{separated('x|1|COMPLETED|0:0|n1|')}'\n")
    assert asyncio.run(queue.history(["1"]))["1"].state is State.FINISHED
