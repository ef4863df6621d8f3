"""What HTCondor's commands print, made by us after the manual of version 23, and the descriptions that it gets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.pilots.queues.htcondor import HTCondorQueue, parse_jobs, parse_status
from pilothouse.registry.records import State
from tests.unit.pilots.queues.jobs import job

START = 1_800_000_000


def ad(status: int, **values: Any) -> str:
    whole = {"ClusterId": 12, "ProcId": 0, "JobStatus": status, "JobBatchName": "pilothouse-abc123-p-1", **values}
    return json.dumps([whole])


def test_a_running_job_has_its_host_and_its_end() -> None:
    times = {"QDate": START - 60, "JobCurrentStartDate": START, "PilothouseWalltime": 3600}
    text = ad(2, RemoteHost="slot1_3@node7.example", **times)
    status = parse_jobs(text)["12.0"]
    assert (status.state, status.host, status.tag) == (State.RUNNING, "node7.example", "pilothouse-abc123-p-1")
    assert status.ends == datetime.fromtimestamp(START, UTC) + timedelta(hours=1)
    assert status.submitted == datetime.fromtimestamp(START - 60, UTC)


@pytest.mark.parametrize(
    ("status", "values", "state", "code", "reason"),
    [
        (1, {}, State.PENDING, None, "no machine of the pool that fits is free"),
        (5, {"HoldReasonCode": 1, "HoldReason": "via condor_hold"}, State.PENDING, None, "held: via condor_hold"),
        (5, {"HoldReasonCode": 34, "HoldReason": "memory exceeded"}, State.FAILED, None, "held: memory exceeded"),
        (7, {}, State.RUNNING, None, "suspended"),
        (4, {"ExitBySignal": False, "ExitCode": 0}, State.FINISHED, 0, ""),
        (4, {"ExitBySignal": False, "ExitCode": 7}, State.FAILED, 7, "exit code 7"),
        (4, {"ExitBySignal": True, "ExitSignal": 9}, State.FAILED, -9, "signal 9"),
        (3, {"RemoveReason": "via condor_rm"}, State.FAILED, None, "removed: via condor_rm"),
        (
            3,
            {
                "RemoveReason": "The job attribute PeriodicRemove expression evaluated to TRUE",
                "JobCurrentStartDate": START, "PilothouseWalltime": 60, "EnteredCurrentStatus": START + 61,
            },
            State.FAILED, None, "its walltime was over",
        ),
        (
            3,
            {
                "RemoveReason": "The job attribute PeriodicRemove expression evaluated to TRUE",
                "LastHoldReason": "memory exceeded",
            },
            State.FAILED, None, "removed: memory exceeded",
        ),
    ],
)  # fmt: skip
def test_states(status: int, values: dict[str, Any], state: State, code: int | None, reason: str) -> None:
    found = parse_jobs(ad(status, **values))["12.0"]
    assert (found.state, found.exit_code, found.reason) == (state, code, reason)


def test_no_output_at_all_is_no_jobs() -> None:
    assert parse_jobs("") == parse_jobs("[\n]\n") == {}


@pytest.mark.parametrize("text", ["<html>502</html>", "{}[", "[3]", '[{"ClusterId": 3}]', '[{"JobStatus": 1}]'])
def test_what_is_no_listing_is_no_answer(text: str) -> None:
    with pytest.raises(Unavailable, match="something else than ClassAds"):
        parse_jobs(text)


def test_an_odd_job_costs_itself() -> None:
    whole = {"ClusterId": 12, "ProcId": 0, "JobStatus": 2, "JobBatchName": "two\nlines"}
    odd = {"ClusterId": 13, "ProcId": 0, "JobStatus": 2, "JobCurrentStartDate": "soon", "PilothouseWalltime": 5}
    found = parse_jobs(json.dumps([whole, odd, {"ClusterId": 3}]).replace("\\n", "\n"))
    assert {job: status.tag for job, status in found.items()} == {"12.0": "two\nlines"}


def test_a_folder_is_no_macro(tmp_path: Path, state_home: Path) -> None:
    wanted = job("htcondor", tmp_path / "$(HOME) x%")
    script = HTCondorQueue(wanted.site).script(wanted)
    assert f"#CONDOR initialdir = {tmp_path}/$(DOLLAR)(HOME) x%/my pilots\n" in script


def test_the_pool_has_what_its_largest_machine_has() -> None:
    slots = [
        {"Machine": "a", "TotalSlotCpus": 16, "TotalSlotMemory": 65536, "TotalSlotGPUs": 0},
        {"Machine": "b", "TotalSlotCpus": 8, "TotalSlotMemory": 131072, "TotalSlotGPUs": 2},
        {"Machine": "c"},
    ]
    (pool,) = parse_status(json.dumps(slots))
    assert (pool.name, pool.default, pool.cores, pool.memory, pool.gpus) == ("pool", True, 16, 128 * 2**30, 2)


def test_its_description_asks_for_what_the_pilots_description_says(tmp_path: Path, state_home: Path) -> None:
    wanted = job(
        "htcondor", tmp_path, cores=4, memory="3900 MiB", gpus=2, walltime="90min", account="group_lab",
        constraint="OpSysMajorVer >= 9", directives=["nice_user = true"],
    )  # fmt: skip
    lines = HTCondorQueue(wanted.site).script(wanted).splitlines()
    entries = dict(line.removeprefix("#CONDOR ").split(" = ", 1) for line in lines if line.startswith("#CONDOR "))
    assert entries["RequestCpus"] == "MY.DaskWorkerCores"
    assert entries["MY.DaskWorkerCores"] == "4"
    assert entries["RequestMemory"] == "3900"
    assert entries["request_gpus"] == "2"
    assert entries["batch_name"] == wanted.tag
    assert entries["requirements"] == "OpSysMajorVer >= 9"
    assert entries["accounting_group"] == "group_lab"
    assert entries["nice_user"] == "true"
    assert entries["MY.PilothouseWalltime"] == "5400"
    assert "time() - JobCurrentStartDate > 5400" in entries["periodic_remove"]
    assert "RequestDisk" not in entries
    assert lines[-1] == "exec /bin/true"


def test_a_queue_is_the_pool_or_none(tmp_path: Path, state_home: Path) -> None:
    fine = job("htcondor", tmp_path, queue="pool")
    assert HTCondorQueue(fine.site).script(fine)
    wrong = job("htcondor", tmp_path, queue="long")
    with pytest.raises(InvalidInput, match="queue='long': HTCondor has no queue of that name"):
        HTCondorQueue(wrong.site).script(wrong)
