"""What Grid Engine prints, as it was printed by a real one, and what we make of it."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.gridengine import GridEngineQueue, parse_limits, parse_qacct, parse_qstat, parse_reasons
from pilothouse.pilots.queues.gridengine_customs import Customs, parse_resources
from pilothouse.pilots.queues.protocols import Job
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State

RECORDED = Path(__file__).parent / "recorded"
SITE = Site(name="gridengine", system="gridengine", timeout=5)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch, state_home: Path) -> Iterator[None]:
    """qstat gives local time: that of the host on which it was recorded."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def command(folder: Path, name: str, script: str) -> None:
    """A command of Grid Engine that says what the test wants."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for commands, first on the path."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def job(**fields: object) -> Job:
    description = PilotDescription.model_validate({"site": "gridengine", "walltime": "90min", **fields})
    return Job("p-1", "pilothouse-abc-p-1", ["true"], Path("/logs/p-1.log"), description, description.kind(), SITE)


def directives(queue: GridEngineQueue, wanted: Job) -> list[str]:
    return [line.removeprefix("#$ ") for line in queue.script(wanted).splitlines() if line.startswith("#$")]


def test_running_jobs_have_their_host_and_their_end() -> None:
    status = parse_qstat((RECORDED / "qstat.xml").read_text())["2"]
    assert (status.state, status.host, status.tag) == (State.RUNNING, "sgenode1", "pilothouse-abc-p-2")
    assert status.ends == datetime(2026, 11, 22, 21, 31, 46, tzinfo=UTC)


def test_waiting_held_and_broken_jobs_are_told_apart() -> None:
    found = parse_qstat((RECORDED / "qstat.xml").read_text())
    assert {number: (status.state, status.reason) for number, status in found.items() if number in "5678"} == {
        "5": (State.PENDING, "held"),
        "6": (State.PENDING, "held"),
        "7": (State.PENDING, ""),
        "8": (State.PENDING, ""),
    }
    assert found["7"].submitted == datetime(2026, 11, 22, 21, 31, 41, tzinfo=UTC)
    assert found["4"].state is State.FAILED


@pytest.mark.parametrize(
    ("letters", "state", "reason"),
    [
        ("t", State.RUNNING, ""),
        ("Rr", State.RUNNING, ""),
        ("dr", State.RUNNING, "being deleted"),
        ("S", State.RUNNING, "suspended"),
        ("hqw", State.PENDING, "held"),
        ("Eqw", State.FAILED, "Grid Engine could not start it"),
    ],
)
def test_letters_of_states(letters: str, state: State, reason: str) -> None:
    text = (RECORDED / "qstat.xml").read_text().replace("<state>r</state>", f"<state>{letters}</state>")
    status = parse_qstat(text)["2"]
    assert (status.state, status.reason) == (state, reason)


def test_each_waiting_job_says_for_what() -> None:
    assert parse_reasons((RECORDED / "qstat_j.xml").read_text()) == {
        "4": "error: can't chdir to /nonexisting: No such file or directory",
        "5": "waits for another job to end",
        "6": "held",
        "7": "no host has that many slots free (0)",
        "8": "-l mem_free=800G is more than a host offers",
        "10": "-l h_rt=7200 is more than the queue allows: it will never start",
    }


def test_what_is_said_of_all_queues_is_the_reason_of_those_without_another() -> None:
    text = (RECORDED / "qstat_j.xml").read_text()
    everywhere = (
        "<SME_global_message_list><element><MES_message>queue instance &quot;all.q@a&quot; dropped because it is full"
        "</MES_message></element></SME_global_message_list></element></messages>"
    )
    text = text.replace("because of job dependencies", "").replace("job dropped ", "")
    head, _, tail = text.rpartition("</element>\n  </messages>")
    reasons = parse_reasons(head + everywhere + tail)
    assert reasons["5"] == "no slots are free"
    assert reasons["6"] == "held"


def test_ended_jobs_have_exit_codes_and_what_was_wrong() -> None:
    found = parse_qacct((RECORDED / "qacct.txt").read_text())
    assert {number: (status.state, status.exit_code, status.reason) for number, status in found.items()} == {
        "1": (State.FAILED, 3, "exit code 3"),
        "2": (State.FAILED, -9, "its walltime or another limit was reached, signal 9"),
        "3": (State.FAILED, -9, "signal 9"),
        "4": (State.FAILED, 0, "changing into working directory"),
        "9": (State.FAILED, -9, "signal 9"),
    }
    assert found["1"].tag == "pilothouse-abc-p-1"
    assert found["1"].host == "sgenode2"


def test_queues_have_the_limits_of_their_hosts_and_their_walltime() -> None:
    everything, short = parse_limits((RECORDED / "qhost.xml").read_text(), (RECORDED / "qconf_sq.txt").read_text())
    assert (everything.name, everything.cores, everything.walltime) == ("all.q", 4, None)
    assert everything.memory == int(23.5 * 2**30)
    assert (short.name, short.walltime, short.available) == ("short.q", 3600.0, True)


def test_a_queue_that_is_disabled_everywhere_takes_no_jobs() -> None:
    hosts = (RECORDED / "qhost.xml").read_text()
    closed = hosts.replace("qname='short.q' name='state_string'>", "qname='short.q' name='state_string'>d")
    assert [queue.available for queue in parse_limits(closed, "")] == [True, False]


def test_an_odd_job_costs_itself() -> None:
    text = (RECORDED / "qstat.xml").read_text()
    everything = parse_qstat(text)
    broken = text.replace("<JB_name>", "<JB_name>\x01", 1)
    assert list(parse_qstat(broken)) == list(everything)
    broken = text.replace("<JB_job_number>2<", "<JB_job_number>2<<", 1)
    assert list(parse_qstat(broken)) == [number for number in everything if number != "2"]
    endless = text.replace('name="h_rt">7200', 'name="h_rt">INFINITY')
    assert list(parse_qstat(endless)) == list(everything)


def test_files_of_defaults_make_no_other_job_of_it(commands: Path) -> None:
    command(commands, "qconf", "exit 1")
    command(commands, "qsub", f'printf "%s " "$@" >{commands}/asked; cat >/dev/null; echo 17')
    assert asyncio.run(GridEngineQueue(SITE).submit(job())) == "17"
    assert (commands / "asked").read_text() == "-terse -C #$ -b n -sync n -now n "


def test_arrays_and_holds_are_left_out_of_files_of_defaults(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(commands, "qconf", "exit 1")
    command(commands, "qsub", f"cat >{commands}/script; echo 17")
    common = tmp_path / "root" / "default" / "common"
    common.mkdir(parents=True)
    (common / "sge_request").write_text("-P physics  # who pays\n")
    monkeypatch.setenv("SGE_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)
    own = tmp_path / ".sge_request"
    own.write_text("-l fast -m n\n")
    assert asyncio.run(GridEngineQueue(SITE).submit(job())) == "17"
    assert "fast" not in (commands / "script").read_text()
    own.write_text("-t 1-3 -tc 2\n-l fast -h\n-hold_jid 5,6 -p -10\n")
    assert asyncio.run(GridEngineQueue(SITE).submit(job())) == "17"
    lines = (commands / "script").read_text().split("\n")
    assert lines[1:5] == ["#$ -clear", "#$ -P physics", "#$ -l fast", "#$ -p -10"]
    assert not any(word in line.split() for line in lines for word in ("-t", "-h", "-hold_jid"))


def test_members_of_our_arrays_are_told_one_by_one() -> None:
    text = (RECORDED / "qstat.xml").read_text().replace("pilothouse-abc-p-2", tag("p-2"))
    text = text.replace("<slots>", "<tasks>TASKS</tasks><slots>")
    listed = parse_qstat(text.replace("TASKS", "3,9-10:1", 1))
    members = {job: status.tag.removeprefix(tag()) for job, status in listed.items() if status.tag.startswith(tag())}
    assert members == {"2.3": "p-4", "2.9": "p-10", "2.10": "p-11"}
    ended = (RECORDED / "qacct.txt").read_text()
    found = parse_qacct(re.sub(r"(jobnumber +1\ntaskid +)undefined", r"\g<1>10", ended, count=1))
    assert found["1.10"].tag == "pilothouse-abc-p-10"


def test_garbage_is_no_empty_queue() -> None:
    for parse in (parse_qstat, parse_reasons):
        with pytest.raises(Unavailable, match="something else than XML"):
            parse("Segmentation fault")


def test_memory_is_asked_for_as_the_site_counts_it() -> None:
    recorded = parse_resources((RECORDED / "qconf_sc.txt").read_text())
    assert recorded["h_rt"] == "NO"
    assert "load_avg" not in recorded
    size = 8 * 2**30
    assert Customs(resources=recorded).memory(size, 4) == "-l mem_total=8192M"
    assert Customs(resources={**recorded, "h_vmem": "YES"}).memory(size, 4) == "-l h_vmem=2048M"
    assert Customs(resources={**recorded, "mem_free": "JOB"}).memory(size, 4) == "-l mem_free=8192M"
    assert Customs().memory(size, 4) == ""


def test_the_script_asks_for_all_that_the_description_has(commands: Path) -> None:
    command(commands, "qconf", f"""case "$1 $2" in
  "-spl ") echo mpi; echo threaded;;
  "-sp threaded") echo 'allocation_rule $pe_slots';;
  "-sp mpi") echo 'allocation_rule $round_robin';;
  "-sc ") cat {RECORDED}/qconf_sc.txt; echo 'ngpus g INT <= YES YES 0 0';;
esac""")  # fmt: skip
    wanted = job(
        cores=4, memory="2GiB", gpus=1, queue="long.q", account="bio", constraint="arch=lx-amd64", exclusive=True,
        directives=["-R y"],
    )  # fmt: skip
    assert directives(GridEngineQueue(SITE), wanted) == [
        "-N pilothouse-abc-p-1", "-q long.q", "-P bio", "-l h_rt=01:30:00", "-j y",
        "-o /logs/p-1.log", "-S /bin/bash", "-r n", "-w e", "-pe threaded 4", "-l mem_total=2048M", "-l ngpus=1",
        "-l arch=lx-amd64", "-l exclusive=true", "-R y",
    ]  # fmt: skip


def test_nodes_of_one_job_have_slots_of_hosts_on_which_it_may_start_them(commands: Path) -> None:
    command(
        commands,
        "qconf",
        """case "$1 $2" in
  "-spl ") echo loose; echo mpi; echo eights;;
  "-sp loose") printf 'allocation_rule $fill_up\\ncontrol_slaves FALSE\\n';;
  "-sp mpi") printf 'allocation_rule $fill_up\\ncontrol_slaves TRUE\\n';;
  "-sp eights") printf 'allocation_rule 8\\ncontrol_slaves TRUE\\n';;
  "-sc ") echo 'h_vmem h MEMORY <= YES YES 0 0'; echo 'gpu g INT <= YES JOB 0 0';;
esac""",
    )
    site = SITE.model_copy(update={"nodes_per_job": 3})

    def asked(**fields: Any) -> list[str]:
        several = dataclasses.replace(job(**fields), nodes=3, command=["true", "p-1"])
        return [line for line in directives(GridEngineQueue(site), several) if line.startswith(("-pe", "-l h_vmem"))]

    assert asked(cores=4, memory="2GiB") == ["-pe mpi 12", "-l h_vmem=512M"]
    assert asked(cores=8) == ["-pe eights 24"], "so many on each host, and no fewer"
    assert asked(cores=4, directives=["-pe own 12"]) == ["-pe own 12"]
    with pytest.raises(Refused, match="gpu is counted once for a whole job here, on its first host"):
        asked(cores=4, gpus=1)
    command(commands, "qconf", "exit 1")
    with pytest.raises(Refused, match="no parallel environment gives 4 slots of 3 hosts each to a job"):
        asked(cores=4)


def test_what_a_user_asks_for_in_directives_is_not_asked_for_twice(commands: Path) -> None:
    command(commands, "qconf", f'[ "$1" = -sc ] && cat {RECORDED}/qconf_sc.txt')
    asked = directives(GridEngineQueue(SITE), job(cores=2, memory="1GiB", directives=["-pe own 2", "-l h_vmem=3G"]))
    assert [line for line in asked if line.startswith(("-pe", "-l"))] == [
        "-l h_rt=01:30:00", "-pe own 2", "-l h_vmem=3G",
    ]  # fmt: skip


def test_a_refusal_is_in_grid_engines_words_and_an_unreachable_master_is_none(commands: Path) -> None:
    command(commands, "qconf", "exit 1")
    command(commands, "qsub", "echo 'Unable to run job: unknown resource \"gpu\"' >&2; exit 1")
    with pytest.raises(Refused, match='qsub: Unable to run job: unknown resource "gpu"'):
        asyncio.run(GridEngineQueue(SITE).submit(job()))
    command(commands, "qsub", "echo 'error: commlib error: got select error (Connection refused)' >&2; exit 1")
    with pytest.raises(Unavailable, match="the batch system does not answer"):
        asyncio.run(GridEngineQueue(SITE).submit(job()))
    command(commands, "qsub", "echo 'Hello'")
    with pytest.raises(Unavailable, match="'Hello' in place of a job's number"):
        asyncio.run(GridEngineQueue(SITE).submit(job()))


def test_where_there_are_no_accounts_they_are_asked_for_once(commands: Path) -> None:
    queue = GridEngineQueue(SITE)
    command(
        commands, "qacct", f"echo asked >>{commands}/asked; echo 'error: no jobs running since startup' >&2; exit 1"
    )
    assert asyncio.run(queue.history(["1"])) == {}
    command(commands, "qacct", f"echo asked >>{commands}/asked; echo 'accounting: Permission denied' >&2; exit 1")
    assert asyncio.run(queue.history(["1"])) == {}
    assert asyncio.run(queue.history(["1"])) == {}
    assert (commands / "asked").read_text().split() == ["asked", "asked"]


def test_jobs_that_have_gone_already_are_no_error_when_they_are_deleted(commands: Path) -> None:
    queue = GridEngineQueue(SITE)
    command(commands, "qdel", "echo 'denied: job \"777\" does not exist'; echo 'root has deleted job 12'; exit 1")
    asyncio.run(queue.cancel(["777", "12"]))
    command(commands, "qdel", "echo 'denied: you do not have the necessary privileges'; exit 1")
    with pytest.raises(Refused, match="necessary privileges"):
        asyncio.run(queue.cancel(["12"]))
