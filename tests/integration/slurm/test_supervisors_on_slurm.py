"""Supervisors that die: what they leave is known, ended or taken over; nobody else can talk to one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
from urllib.parse import urlparse

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Conflict, Lost
from pilothouse.registry.line.tls import tls_files
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS
from tests.slurm.login_node import LoginNode, happened, kill_supervisor, running
from tests.waiting import eventually

pytestmark = pytest.mark.batch


def fill(login: LoginNode, nodes: int) -> str:
    """Take whole nodes of the cluster away; the job."""
    job = login.cluster.submit("sleep 600", f"-N{nodes}", "--exclusive", "--time=20")
    eventually(lambda: login.cluster.job(job).state == "RUNNING")
    return job


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:jobs at site")  # other batch systems may be installed here, and not run
def test_jobs_of_a_killed_supervisor_are_known_and_swept_and_nobody_elses(
    login: LoginNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler = fill(login, 3)
    other = login.submit(nodes=1, name="other").wait(timeout=60)
    with monkeypatch.context() as patch:  # the same user's other registry
        patch.setenv("PILOTHOUSE_HOME", str(login.folder / "elsewhere"))
        foreign = login.submit(nodes=1, name="doomed").wait(timeout=60)
        spared = [foreign.nodes[0].job]
    pilot = login.submit(nodes=6, name="doomed").wait(nodes=2, timeout=60)
    eventually(lambda: len(login.alive()) == 9)
    mine = {node.job for node in pilot.nodes}
    login.cluster.run("scontrol", "update", f"JobId={pilot.nodes[-1].job}", "JobName=renamed")
    kill_supervisor(pilot)
    assert "was killed or crashed" in pilot.reason
    assert {node.state for node in pilot.nodes} == {"lost"}
    with pytest.raises(Lost, match="was killed or crashed"):
        pilot.wait()
    spared += [filler, other.nodes[0].job]
    assert {job.id for job in login.alive()} == {*mine, *spared}, "it can still be recovered"
    listed = ph.sweep(end=False)
    assert {orphan.job for orphan in listed} == mine
    assert {(orphan.pilot, orphan.why) for orphan in listed} == {("doomed", "its pilot is lost")}
    assert {orphan.job for orphan in ph.sweep()} == mine
    eventually(lambda: {job.id for job in login.alive()} == set(spared), "the end of its jobs")
    assert ph.sweep() == []
    assert other.client().submit(sum, [1, 2]).result(timeout=30) == 3
    with monkeypatch.context() as patch:
        patch.setenv("PILOTHOUSE_HOME", str(login.folder / "elsewhere"))
        assert foreign.cancel().state == "finished"


def test_jobs_without_a_record_are_ended_by_the_next_pilot(login: LoginNode) -> None:
    filler = fill(login, 4)
    pilot = login.submit(nodes=1, name="forgotten")
    job = eventually(lambda: pilot.nodes[0].job, "a job that waits")
    kill_supervisor(pilot)
    PILOTS.path("forgotten").unlink()
    shutil.rmtree(PILOTS.root / "forgotten")
    following = login.submit(nodes=1, name="following")
    ended = eventually(lambda: happened(following, "orphan ended"), "the sweep")
    assert [(event["job"], event["pilot"]) for event in ended] == [(job, "forgotten")]
    eventually(lambda: {each.id for each in login.alive()} == {filler, following.nodes[0].job})


@pytest.mark.slow
def test_a_lost_pilot_goes_on_with_the_jobs_that_it_had(login: LoginNode) -> None:
    filler = fill(login, 3)
    pilot = login.submit(nodes=5, name="phoenix").wait(nodes=4, timeout=60)
    run = pilot.launch("count", {"to": 100000}, name="counting")
    eventually(lambda: len(run.frame().time))
    jobs = {node.name: node.job for node in pilot.nodes}
    workers = set(pilot.client().run(os.getpid).values())
    with pytest.raises(Conflict, match="only a lost one"):
        pilot.recover()
    kill_supervisor(pilot)
    assert run.state == "lost"
    pilot.recover().wait(nodes=4, timeout=60)
    assert {node.name: node.job for node in pilot.nodes if not node.state.ended} == jobs
    assert set(pilot.client().run(os.getpid).values()) == workers, "the same processes"
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
    assert (pilot.record.nodes_wanted, pilot.record.generation) == (5, 2)
    assert pilot.not_recovered == ["run 'counting': a run of kind 'count' can't be continued"]
    assert happened(pilot, "taken over")[0]["nodes"] == list(jobs)
    login.cluster.run("scancel", filler)
    pilot.wait(timeout=60)
    login.cluster.run("scancel", jobs["phoenix-1"])
    eventually(lambda: happened(pilot, "node failed"))
    pilot.wait(nodes=5, timeout=60)
    pilot.cancel()
    assert not login.alive()
    eventually(lambda: not login.processes(), "the end of all processes")
    assert not login.files()


def test_cancel_ends_the_jobs_of_a_lost_pilot_too(login: LoginNode) -> None:
    filler = fill(login, 4)
    pilot = login.submit(nodes=2)
    eventually(lambda: len(login.alive()) == 3, "jobs that wait")
    kill_supervisor(pilot)
    pilot.cancel()
    eventually(lambda: [job.id for job in login.alive()] == [filler], "the end of its jobs")
    assert pilot.state.ended


def test_jobs_that_ended_meanwhile_are_replaced_when_a_pilot_is_recovered(login: LoginNode) -> None:
    pilot = login.submit(nodes=2).wait(timeout=60)
    first, second = running(pilot)
    kill_supervisor(pilot)
    login.cluster.run("scancel", first.job)
    pilot.recover()
    eventually(lambda: first.job not in {n.job for n in running(pilot)} and len(running(pilot)) == 2)
    assert second.job in {node.job for node in running(pilot)}
    assert {job.id for job in login.alive()} == {node.job for node in running(pilot)}


def connect(address: str, context: ssl.SSLContext | None, words: bytes) -> bytes:
    """What is answered, if anything."""
    url = urlparse(address)
    assert url.hostname == "127.0.0.1"
    try:
        plain = socket.create_connection((url.hostname, url.port or 0), timeout=10)
        with context.wrap_socket(plain) if context else plain as line:
            line.sendall(words)
            if context is None:
                line.shutdown(socket.SHUT_WR)
            return line.recv(100)
    except OSError:  # closed on us
        return b""


def test_only_who_has_the_pilots_key_and_token_is_answered(login: LoginNode) -> None:
    pilot = login.submit(nodes=1).wait(timeout=60)
    record = pilot.record
    folder = PILOTS.folder(pilot.name)
    token = (folder / "token").read_text()
    for name in ("token", "tls.key"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    owner = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    owner.check_hostname, owner.verify_mode = False, ssl.CERT_NONE
    tls = tls_files(folder)
    owner.load_cert_chain(tls["tls_cert"], tls["tls_key"])

    def request(**fields: object) -> bytes:
        text = json.dumps({"op": "scale", "nodes": 3, **fields}).encode()
        return struct.pack(">II", len(text), 0) + text

    for address in (record.control, record.scheduler, running(pilot)[0].address):
        assert address.startswith("tls://127.0.0.1:")
        assert not connect(address, stranger, request(token=token)).startswith(b"\0"), "no certificate"
    for context, words in [(None, request(token=token)), (owner, request()), (owner, request(token="x" * 43))]:
        assert connect(record.control, context, words)[8:10] != b'{"'
    assert pilot.record.nodes_wanted == 1, "nobody was obeyed"
    assert b'{"ok": 1}' in connect(record.control, owner, request(nodes=1, token=token))
    ours = login.processes()
    assert len(ours) >= 2
    for process in ours:
        with contextlib.suppress(psutil.NoSuchProcess):  # a question to Slurm that is answered
            assert token not in " ".join([*process.cmdline(), *process.environ().values()])
            for connection in process.net_connections("inet"):
                assert connection.status != psutil.CONN_LISTEN or connection.laddr.ip == "127.0.0.1"
    assert tag() in {job.id: job for job in login.cluster.jobs()}[pilot.nodes[0].job].name


@pytest.mark.slow
def test_a_supervisor_in_a_job_hands_over_to_the_next_one(login: LoginNode) -> None:
    pilot = login.submit(nodes=2, placement="job", lease="2h", name="inside").wait(timeout=90)
    record = pilot.record
    first, second = (node for node in record.nodes if node.role != "successor")
    assert (first.role, second.role) == ("first", "node")
    assert record.supervisor is not None
    process = psutil.Process(record.supervisor.pid)
    assert process.environ()["SLURM_JOB_ID"] == first.job
    assert (record.socket, record.control[:16]) == ("", "tls://127.0.0.1:")
    successor = eventually(lambda: [node for node in pilot.nodes if node.role == "successor" and node.job])[0]
    assert login.cluster.job(successor.job).reason == "Dependency"
    assert "1 node waits" not in pilot.reason
    run = pilot.launch("count", {"to": 20}, name="counting")
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
    run.wait(timeout=60)
    assert run.result() == {"total": 20}
    code = "import pilothouse as ph; print(ph.attach('inside').client().submit(sum, [20, 22]).result())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "42\n"
    worker = set(pilot.client().run(os.getpid, workers=[second.address]).values())
    login.cluster.run("scancel", first.job)
    eventually(lambda: pilot.record.generation == 2 and pilot.record.answers, "the successor")
    pilot.wait(timeout=90)
    states = {node.job: node.role for node in running(pilot)}
    assert states == {successor.job: "first", second.job: "node"}
    assert worker < set(pilot.client().run(os.getpid).values()), "the second node's process goes on"
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
    supervisor = pilot.record.supervisor
    assert supervisor is not None
    assert psutil.Process(supervisor.pid).environ()["SLURM_JOB_ID"] == successor.job
    eventually(lambda: [n for n in pilot.nodes if n.role == "successor" and n.job], "the next successor")
    pilot.cancel()
    assert pilot.state == "finished"
    eventually(lambda: not login.alive(), "the end of all jobs")
    eventually(lambda: not login.processes(), "the end of all processes")
    assert not login.files()


@pytest.mark.slow
def test_a_supervisor_that_is_killed_in_its_job_is_followed_too(login: LoginNode) -> None:
    pilot = login.submit(nodes=2, placement="job", lease="2h").wait(timeout=90)
    eventually(lambda: [node for node in pilot.nodes if node.role == "successor" and node.job])
    second = next(node for node in pilot.nodes if node.role == "node")
    assert pilot.record.supervisor is not None
    os.kill(pilot.record.supervisor.pid, 9)
    eventually(lambda: pilot.record.generation == 2 and pilot.record.answers, "the successor")
    pilot.wait(timeout=90)
    assert second.job in {node.job for node in running(pilot)}
    pilot.cancel()
    eventually(lambda: not login.alive(), "the end of all jobs")
    eventually(lambda: not login.processes(), "the end of all processes")


@pytest.mark.slow
def test_the_node_beside_a_supervisor_is_started_again_in_its_job(login: LoginNode) -> None:
    pilot = login.submit(nodes=1, placement="job", lease="2h").wait(timeout=90)
    (first,) = running(pilot)
    (worker,) = pilot.client().run(os.getpid).values()
    os.kill(worker, 9)
    eventually(lambda: [node.address for node in running(pilot)] not in ([], [first.address]), "the node")
    assert [(node.name, node.job) for node in running(pilot)] == [(first.name, first.job)]
    assert {node.job for node in pilot.nodes if node.role != "successor"} == {first.job}
    assert pilot.record.generation == 1
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
    words = [event["reason"] for event in happened(pilot, "node starting")]
    assert "its process ended with -9; it is started again" in words


def test_a_pilot_whose_supervisor_waits_in_the_queue_can_be_cancelled(login: LoginNode) -> None:
    filler = fill(login, 4)
    pilot = login.submit(nodes=1, placement="job")
    eventually(lambda: pilot.nodes[0].job)
    assert pilot.state == "pending"
    assert "waits in the queue" in pilot.reason
    pilot.cancel()
    assert pilot.state == "finished"
    eventually(lambda: [job.id for job in login.alive()] == [filler], "the end of its job")


def test_on_the_login_node_a_supervisor_listens_on_its_own_interface(login: LoginNode) -> None:
    login.site(interface="", login_interface="lo")
    pilot = login.submit(nodes=1, name="two-nets").wait(timeout=60)
    record = pilot.record
    assert {urlparse(address).hostname for address in (record.scheduler, record.control)} == {"127.0.0.1"}
    script = login.cluster.run("scontrol", "write", "batch_script", pilot.nodes[0].job, "-").stdout
    assert "--interface" not in script  # a node takes the one by which it reaches others
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
