"""Jobs as applications of YARN, and applications as jobs."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines.hadoop.cluster import Application, Resource
from pilothouse.engines.hadoop.configuration import write
from pilothouse.engines.hadoop.queue import MASTER, YarnQueue, application, container, status
from pilothouse.errors import InvalidInput, Refused, Unavailable
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from tests.unit.pilots.queues.jobs import job

GIB = 1 << 30
MOST = Resource(8 * GIB, 4)
LAUNCHED = datetime(2026, 11, 29, tzinfo=UTC)


def found(state: str, diagnostics: str = "", final: str = "UNDEFINED", **fields: Any) -> Application:
    values: dict[str, Any] = {
        "id": "application_1_0001", "name": "p-1", "user": "me", "queue": "default", "kind": "PILOTHOUSE",
        "state": state, "final": final, "diagnostics": diagnostics, "host": "n1", "container": "container_1",
        "tags": frozenset({"walltime=60"}), "submitted": LAUNCHED, "launched": LAUNCHED,
    }  # fmt: skip
    return Application(**{**values, **fields})


def told(state: str, diagnostics: str = "", final: str = "UNDEFINED", **fields: Any) -> JobStatus:
    return status(found(state, diagnostics, final, **fields))


def test_a_job_waits_with_the_reason_that_yarn_gives() -> None:
    waits = told(
        "ACCEPTED",
        "[Sun Nov 29 21:08:20 +0000 2026] Application is Activated, waiting for resources to be assigned for AM.  "
        "Details : AM Partition = <DEFAULT_PARTITION> ; Partition Resource = <memory:4096, vCores:4> ; ",
        launched=None, host="", container="",
    )  # fmt: skip
    assert (waits.state, waits.ends) == (State.PENDING, None)
    assert waits.reason == (
        "no node that fits is free (Application is Activated, waiting for resources to be assigned for AM)"
    )
    share = "[x] Application is added to the scheduler and is not yet activated. Queue's AM resource limit exceeded. "
    assert "share for application masters" in told("ACCEPTED", share, launched=None).reason


def test_a_job_runs_from_its_containers_start_for_its_walltime() -> None:
    for state in ("ACCEPTED", "RUNNING", "FINISHING"):
        runs = told(state, "AM container is launched, waiting for AM container to Register with RM")
        assert (runs.state, runs.reason, runs.host) == (State.RUNNING, "", "n1")
        assert runs.ends == LAUNCHED + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("diagnostics", "code", "reason"),
    [
        ("exit code 7", 7, "exit code 7"),
        ("signal 9", -9, "signal 9"),
        ("its walltime was over", None, "its walltime was over"),
        ("failed 1 times due to AM Container for x exited with  exitCode: 3\nFailing this attempt.", 3, "exit code 3"),
        ("AM Container for x exited with  exitCode: 137\nFailing", -9, "signal 9"),
        ("AM Container for x exited with  exitCode: -104\nFailing", None, "it used more memory than it had asked for"),
        ("Application was killed by user me at 127.0.0.1", None, "Application was killed by user me at 127.0.0.1"),
    ],
)
def test_a_job_fails_with_its_exit_code_and_its_reason(diagnostics: str, code: int | None, reason: str) -> None:
    failed = told("FINISHED", diagnostics, "FAILED")
    assert (failed.state, failed.exit_code, failed.reason) == (State.FAILED, code, reason)
    assert told("KILLED", diagnostics, "KILLED").state is State.FAILED


def test_a_job_that_ends_well_has_finished() -> None:
    ended = told("FINISHED", "", "SUCCEEDED")
    assert (ended.state, ended.exit_code, ended.reason) == (State.FINISHED, 0, "")


def test_a_container_has_its_node_and_its_master(tmp_path: Path) -> None:
    assert container(job("yarn", tmp_path, memory="1 GiB", cores=2), MOST) == Resource(GIB + MASTER, 2)
    assert container(job("yarn", tmp_path, cores=1), MOST) == Resource(2 * GIB, 1)  # its share of the largest
    for fields in ({"cores": 5}, {"memory": "8 GiB"}):
        with pytest.raises(Refused, match=r"4 cores and 8\.0GiB at most"):
            container(job("yarn", tmp_path, **fields), MOST)


def test_an_application_is_known_by_its_name_and_told_its_queue(tmp_path: Path) -> None:
    wanted = application(
        "application_1_0001", job("yarn", tmp_path, queue="long", walltime="90s"), MOST, tmp_path / "s"
    )
    assert wanted["application-name"] == tag("p-1")
    assert wanted["queue"] == "long"
    assert wanted["resource"] == {"memory": 8192, "vCores": 4}
    assert wanted["application-tags"] == {"tag": ["walltime=90"]}
    (memory,) = wanted["am-container-spec"]["environment"]["entry"]
    assert memory == {"key": "PILOTHOUSE_NODE_MEMORY", "value": str(8 * GIB - MASTER)}


def test_a_path_with_everything_in_it_reaches_the_shell_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a b%j\"'#$(x)\\n`y`"
    folder.mkdir()
    (folder / "s.sh").write_text("echo here")
    wanted = application("application_1_0001", job("yarn", tmp_path), MOST, folder / "s.sh")
    command = wanted["am-container-spec"]["commands"]["command"]
    ran = subprocess.run(["/bin/bash", "-c", f'/bin/bash -c "{command}"'], capture_output=True, text=True, check=True)
    assert ran.stdout == "here\n"


@pytest.mark.parametrize(
    "fields", [{"gpus": 1}, {"exclusive": True}, {"directives": ["--x"]}, {"account": "physics"}], ids=str
)
def test_what_yarn_has_not_is_refused_by_name(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"^{next(iter(fields))}="):
        YarnQueue(Site(name="yarn", system="yarn")).script(job("yarn", tmp_path, **fields))


def test_the_script_runs_the_node_below_its_master(tmp_path: Path) -> None:
    write(tmp_path / "conf", "yarn-site", {})
    site = Site(name="yarn", system="yarn", conf_dir=str(tmp_path / "conf"), python="/opt/python")
    wanted = dataclasses.replace(job("yarn", tmp_path, walltime="90s"), site=site)
    lines = YarnQueue(site).script(wanted).splitlines()
    assert lines[0] == "#!/bin/bash"
    assert f"export HADOOP_CONF_DIR={tmp_path / 'conf'}" in lines
    assert lines[-1] == ("exec /opt/python -m pilothouse.engines.hadoop.master --grace 5 --walltime 90 -- /bin/true")


def test_a_job_that_is_to_wait_for_another_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "conf", "yarn-site", {})
    queue = YarnQueue(Site(name="yarn", system="yarn", conf_dir=str(tmp_path / "conf")))
    with pytest.raises(Refused, match="can't have a job wait"):
        asyncio.run(queue.submit(job("yarn", tmp_path, after="application_1_0001")))


def test_where_nobody_answers_it_is_unavailable(tmp_path: Path) -> None:
    write(tmp_path / "conf", "yarn-site", {"yarn.resourcemanager.webapp.address": "127.0.0.1:9"})
    queue = YarnQueue(Site(name="yarn", system="yarn", conf_dir=str(tmp_path / "conf"), timeout=2))
    for each in (
        queue.poll(),
        queue.limits(),
        queue.history(["application_1_0001"]),
        queue.cancel(["application_1_0001"]),
    ):
        with pytest.raises(Unavailable, match="does not answer"):
            asyncio.run(each)
