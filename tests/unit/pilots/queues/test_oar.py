"""What OAR prints, as it was printed by a real one, and what we make of it."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.oar import OARQueue, parse_oarnodes, parse_oarstat
from pilothouse.pilots.queues.protocols import Job
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.records import State

RECORDED = Path(__file__).parent / "recorded"
SITE = Site(name="oar", system="oar", timeout=5)
REFUSED = """\
[ADMISSION RULE] Set default walltime to 7200.
[ADMISSION RULE] Modify resource description with type constraints
There are not enough resources for your request
OAR_JOB_ID=-5
[ERROR] Oarsub failed, please verify your request syntax.
"""


def command(folder: Path, name: str, script: str) -> None:
    """A command of OAR that says what the test wants."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for commands, first on the path."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def job(log: Path, after: str = "", **fields: object) -> Job:
    description = PilotDescription.model_validate({"site": "oar", "walltime": "90min", **fields})
    return Job("p-1", "pilothouse-abc-p-1", ["true"], log, description, description.kind(), SITE, after=after)


def options(wanted: Job) -> list[str]:
    script = OARQueue(SITE).script(wanted)
    return [line.removeprefix("#OAR ") for line in script.splitlines() if line.startswith("#OAR")]


def test_ended_jobs_have_exit_codes_and_what_was_wrong() -> None:
    found = parse_oarstat((RECORDED / "oarstat.json").read_text())
    assert {number: (found[number].state, found[number].exit_code, found[number].reason) for number in "1234"} == {
        "1": (State.FAILED, 7, "exit code 7"),
        "2": (State.FINISHED, 0, ""),
        "3": (State.FAILED, None, "its walltime was over"),
        "4": (State.FAILED, None, "deleted"),
    }
    assert found["1"].tag == "pilothouse-1f69cd-p-1"


def test_jobs_that_wait_say_why_and_when_they_should_start() -> None:
    found = parse_oarstat((RECORDED / "oarstat.json").read_text())
    assert {number: (found[number].state, found[number].reason) for number in "678"} == {
        "6": (State.PENDING, "no resources that fit are free"),
        "7": (State.PENDING, "waits for the end of job 5"),
        "8": (State.PENDING, "held"),
    }
    assert found["5"].ends is not None
    assert found["6"].expected_start is not None
    assert timedelta(0) <= found["6"].expected_start - found["5"].ends < timedelta(minutes=1)


def test_running_jobs_have_their_host_and_their_end() -> None:
    status = parse_oarstat((RECORDED / "oarstat.json").read_text())["5"]
    assert (status.state, status.reason) == (State.RUNNING, "")
    assert status.host in {"oarnode1", "oarnode2"}
    assert status.submitted == datetime.fromtimestamp(1795384655, UTC)


def test_a_job_that_was_killed_has_the_signal() -> None:
    text = (RECORDED / "oarstat.json").read_text().replace('"exit_code" : 1792', '"exit_code" : 9')
    status = parse_oarstat(text)["1"]
    assert (status.state, status.exit_code, status.reason) == (State.FAILED, -9, "signal 9")


def test_a_job_that_the_scheduler_has_not_looked_at_gives_no_reason() -> None:
    jobs = json.loads((RECORDED / "oarstat.json").read_text())
    jobs["6"]["scheduledStart"] = None
    status = parse_oarstat(json.dumps(jobs))["6"]
    assert (status.state, status.reason, status.expected_start) == (State.PENDING, "", None)


def test_no_jobs_are_no_error_and_garbage_is_one() -> None:
    assert parse_oarstat("\n") == {}
    with pytest.raises(Unavailable, match="oarstat printed something else than jobs"):
        parse_oarstat("Segmentation fault")
    with pytest.raises(Unavailable, match="something else than jobs"):
        parse_oarstat("[1, 2]")


def test_the_queues_have_the_limits_of_the_hosts() -> None:
    default, besteffort = parse_oarnodes((RECORDED / "oarnodes.json").read_text())
    assert (default.name, default.default, default.nodes, default.cores, default.gpus) == ("default", True, 2, 2, 0)
    assert (besteffort.name, besteffort.default) == ("besteffort", False)


def test_memory_and_gpus_of_hosts_are_known_where_a_site_has_such_properties() -> None:
    resources = json.loads((RECORDED / "oarnodes.json").read_text())
    for number, resource in resources.items():
        resource |= {"memnode": "4096", "gpudevice": number}
    resources["4"]["state"] = "Dead"
    default, _ = parse_oarnodes(json.dumps(resources))
    assert (default.memory, default.gpus, default.cores) == (4 * 2**30, 2, 2)
    assert parse_oarnodes("{}") == []


def test_the_script_asks_for_all_that_the_description_has() -> None:
    log = Path("/logs/p-1.log")
    common = ["-n pilothouse-abc-p-1", "-l /nodes=1/core=4,walltime=01:30:00", f"-O {log}", f"-E {log}"]
    assert options(job(log, cores=4)) == common
    asked = options(
        job(
            log, "12", cores=4, queue="long", account="bio", constraint="cputype = 'xeon'", directives=["-t besteffort"]
        )
    )
    assert asked == [
        common[0], "-q long", "--project bio", *common[1:], """-p 'cputype = '"'"'xeon'"'"''""", "-a 12",
        "-t besteffort",
    ]  # fmt: skip
    assert "-l /nodes=1/gpu=2,walltime=01:30:00" in options(job(log, gpus=2))
    assert "-l /nodes=1,walltime=01:30:00" in options(job(log, exclusive=True))


def test_an_odd_job_costs_itself() -> None:
    text = '{"1": {"state": "Waiting", "name": "two\nlines"}, "2": {"state": "Running", "exit_code": "x"}, "3": 4}'
    found = parse_oarstat(text)
    assert {job: status.tag for job, status in found.items()} == {"1": "two\nlines"}


def test_a_path_that_means_more_to_oar_is_left_to_the_job(tmp_path: Path) -> None:
    script = OARQueue(SITE).script(job(tmp_path / "%jobid% x" / "p-1.log"))
    assert "#OAR -O /dev/null\n" in script
    assert f"exec >>'{tmp_path}/%jobid% x/p-1.log' 2>&1\n" in script


def test_options_and_script_reach_oarsub(commands: Path) -> None:
    command(commands, "oarsub", f'printf "%s\\n" "$@" >{commands}/asked; echo OAR_JOB_ID=17')
    wanted = job(commands / "p-1.log", constraint="cputype = 'xeon'")
    assert asyncio.run(OARQueue(SITE).submit(wanted)) == "17"
    asked = (commands / "asked").read_text().splitlines()
    assert "cputype = 'xeon'" in asked
    script = commands / "p-1.log.sh"
    assert asked[-1].endswith(f"/bin/bash {script}")
    assert script.read_text() == OARQueue(SITE).script(wanted)
    assert script.stat().st_mode & 0o077 == 0


def test_a_refusal_is_in_oars_words_without_its_chatter(commands: Path) -> None:
    command(commands, "oarsub", f"cat <<'END'\n{REFUSED}END\nexit 8")
    with pytest.raises(Refused, match=r"^oarsub: There are not enough resources for your request$"):
        asyncio.run(OARQueue(SITE).submit(job(commands / "p-1.log")))


def test_a_database_that_is_not_there_is_unavailable(commands: Path) -> None:
    command(commands, "oarstat", "echo 'DB connection error, exiting.' >&2; exit 1")
    with pytest.raises(Unavailable, match="the batch system does not answer oarstat"):
        asyncio.run(OARQueue(SITE).poll())


def test_jobs_that_have_gone_already_are_no_error_when_they_are_deleted(commands: Path) -> None:
    said = "Deleting the job = 77 ...ERROR.\nCannot frag 77 ; You are not the right user."
    command(commands, "oardel", f"echo '{said}'; exit 1")
    asyncio.run(OARQueue(SITE).cancel(["77"]))
    command(commands, "oardel", "echo 'the moon is full'; exit 1")
    with pytest.raises(Refused, match="moon"):
        asyncio.run(OARQueue(SITE).cancel(["77"]))
