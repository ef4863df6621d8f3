"""What LSF's commands print, made by us after the manual of Spectrum LSF 10.1, and the scripts that it gets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues import lsf
from pilothouse.pilots.queues.lsf import LSFQueue, parse_bjobs, parse_limits
from pilothouse.registry.records import State
from tests.unit.pilots.queues.jobs import job

EMPTY = {
    "JOBID": "101", "STAT": "PEND", "JOB_NAME": "pilothouse-abc123-p-1", "EXEC_HOST": "", "PEND_REASON": "",
    "ESTIMATED_START_TIME": "", "FINISH_TIME": "", "EXIT_CODE": "", "EXIT_REASON": "",
}  # fmt: skip


def listing(*records: dict[str, Any]) -> str:
    whole = [record if "ERROR" in record else {**EMPTY, **record} for record in records]
    return json.dumps({"COMMAND": "bjobs", "JOBS": len(whole), "RECORDS": whole})


def test_a_running_job_has_its_host_and_its_end() -> None:
    end = (datetime.now().astimezone() + timedelta(hours=2)).replace(second=0, microsecond=0)
    text = listing({"STAT": "RUN", "EXEC_HOST": "4*hostA:2*hostB", "FINISH_TIME": f"{end:%b %d %H:%M} L"})
    status = parse_bjobs(text)["101"]
    assert (status.state, status.host, status.tag) == (State.RUNNING, "hostA", "pilothouse-abc123-p-1")
    assert status.ends == end.astimezone(UTC)


@pytest.mark.parametrize(("word", "years"), [("Dec 31", -1), ("Jan  1", 0), ("Jan  2", 0)])
def test_a_date_without_its_year_is_the_nearest(monkeypatch: pytest.MonkeyPatch, word: str, years: int) -> None:
    class NewYear(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2027, 1, 1, 0, 30, tzinfo=tz)

    monkeypatch.setattr(lsf, "datetime", NewYear)
    ends = parse_bjobs(listing({"STAT": "RUN", "FINISH_TIME": f"{word} 12:00 L"}))["101"].ends
    assert ends is not None
    assert ends.astimezone().year == 2027 + years


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Job dependency condition not satisfied;", "waits for another job to end"),
        ("New job is waiting for scheduling;", "New job is waiting for scheduling"),
        ("Slot limit reached: 2 hosts;Load unavailable;", "Slot limit reached: 2 hosts; Load unavailable"),
        ("-", ""),
    ],
)  # fmt: skip
def test_reasons_to_wait(said: str, shown: str) -> None:
    status = parse_bjobs(listing({"PEND_REASON": said}))["101"]
    assert (status.state, status.reason) == (State.PENDING, shown)


@pytest.mark.parametrize(
    ("values", "state", "code", "reason"),
    [
        ({"STAT": "DONE"}, State.FINISHED, 0, ""),
        ({"STAT": "EXIT", "EXIT_CODE": "7"}, State.FAILED, 7, "exit code 7"),
        (
            {"STAT": "EXIT", "EXIT_CODE": "140", "EXIT_REASON": "TERM_RUNLIMIT: it ran too long"},
            State.FAILED, -12, "its walltime was over, signal 12",
        ),
        (
            {"STAT": "EXIT", "EXIT_REASON": "TERM_OWNER: job killed by owner"},
            State.FAILED, None, "killed by its owner",
        ),
        (
            {"STAT": "EXIT", "EXIT_CODE": "1", "EXIT_REASON": "TERM_CWD_NOTEXIST: the folder is not there."},
            State.FAILED, 1, "TERM_CWD_NOTEXIST: the folder is not there, exit code 1",
        ),
    ],
)  # fmt: skip
def test_ends(values: dict[str, str], state: State, code: int | None, reason: str) -> None:
    status = parse_bjobs(listing(values))["101"]
    assert (status.state, status.exit_code, status.reason) == (state, code, reason)


def test_jobs_that_are_not_there_are_left_out_and_a_warning_before_the_listing_does_no_harm() -> None:
    text = "a licence will expire soon\n" + listing({}, {"JOBID": "9", "ERROR": "Job <9> is not found"})
    assert list(parse_bjobs(text)) == ["101"]


def test_a_name_that_breaks_the_listing_costs_its_own_job() -> None:
    odd = listing({"JOBID": "7", "JOB_NAME": "@@"}, {}, {"JOBID": "102"})
    assert list(parse_bjobs(odd.replace("@@", 'a "quoted" \\x'))) == ["101", "102"]
    assert parse_bjobs(odd.replace("@@", "two\nlines"))["7"].tag == "two\nlines"
    odd = listing({"JOBID": "7", "STAT": 5, "EXIT_CODE": None}, {"JOBID": None}, {})
    assert "101" in parse_bjobs(odd)


@pytest.mark.parametrize("text", ["", "<html>502</html>", "{}", '{"RECORDS": 3}', '{"RECORDS": [{"STAT": "RUN"}]}'])
def test_what_is_no_listing_is_no_answer(text: str) -> None:
    with pytest.raises(Unavailable, match="something else than jobs"):
        parse_bjobs(text)


def test_queues_have_their_longest_runs_and_what_the_hosts_have() -> None:
    queues = """
QUEUE: night
  -- For long jobs.

PARAMETERS/STATISTICS
PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV PJOBS
 40   20  Closed:Inact_Win  -    -    -    -     0     0     0     0     0    0     0

---------------------------------------------------------------------------------
QUEUE: normal
  -- For normal jobs, running only if hosts are lightly loaded.  This is the default queue.

PARAMETERS/STATISTICS
PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV PJOBS
 30    0  Open:Active       -    -    -    -     1     0     1     0     0    0     0

DEFAULT LIMITS:
 RUNLIMIT
 30.0 min of hostA

MAXIMUM LIMITS:
 RUNLIMIT
 120.0 min of hostA
"""
    slots = "HOST STATUS JL/U MAX NJOBS RUN SSUSP USUSP RSV\nhostA ok - 16 1 1 0 0 0\nhostB unavail - 64 0 0 0 0 0\n"
    hosts = "HOST_NAME type model cpuf ncpus maxmem maxswp server RESOURCES\nhostA X86_64 I 60 16 7.5G 4G Yes ()\n"
    night, normal = parse_limits(queues, slots, hosts)
    assert (night.name, night.available, night.walltime, night.default) == ("night", False, None, False)
    assert (normal.available, normal.walltime, normal.default) == (True, 7200.0, True)
    assert (normal.cores, normal.memory) == (16, int(7.5 * 2**30))


def test_its_script_asks_for_what_the_description_says(tmp_path: Path, state_home: Path) -> None:
    wanted = job(
        "lsf", tmp_path, after="99", cores=4, memory="3900 MiB", gpus=2, walltime="90.5min", queue="normal",
        account="lab", constraint="skylake", exclusive=True, directives=["-Ep /bin/true"],
    )  # fmt: skip
    lines = LSFQueue(wanted.site).script(wanted).splitlines()
    assert [line.removeprefix("#BSUB ") for line in lines if line.startswith("#BSUB ")] == [
        f"-J {wanted.tag}", "-q normal", '-P "lab"', "-n 4", '-R "span[hosts=1]"', "-W 1:31", "-o /dev/null", "-rn",
        "-M 3900MB", '-R "rusage[mem=3900MB]"', '-gpu "num=2"', '-R "select[skylake]"', "-x", '-w "ended(99)"',
        "-Ep /bin/true",
    ]  # fmt: skip
    assert f"exec >>'{wanted.log}' 2>&1" in lines


def test_a_site_that_reserves_memory_in_its_own_way_says_so_in_a_directive(tmp_path: Path, state_home: Path) -> None:
    wanted = job("lsf", tmp_path, memory="4 GiB", directives=['-R "rusage[mem=1024MB]"'])
    assert LSFQueue(wanted.site).script(wanted).count("rusage[mem") == 1
