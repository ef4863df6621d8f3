"""Supervisors, workers, jobs and kernels are killed at random; afterwards nothing is left, and nothing was doubled."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Conflict
from pilothouse.pilots import Pilot
from tests.slurm.cluster import SlurmCluster
from tests.slurm.login_node import LoginNode, happened, login_node, running
from tests.waiting import eventually

#: How often each of the four dies: enough to see each of them go, and enough for what is rare.
FEW, MANY = 3, 20

KERNEL = """
import sys, time
import pilothouse as ph
from pilothouse.errors import PilothouseError

for name in sys.argv[1:] * 1000:
    try:
        pilot = ph.attach(name)
        run = pilot.launch("count", {"to": 100})
        print(pilot.client().submit(sum, [1, 2], pure=False).result(timeout=5))
        run.stop()
    except (PilothouseError, TimeoutError, OSError):  # it has just died
        pass
    time.sleep(0.2)
"""


@pytest.fixture
def patient_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginNode]:
    """A login node of a Slurm that gives jobs five seconds to end by themselves; its own default is thirty."""
    with SlurmCluster(kill_wait=5) as cluster:
        monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
        with login_node(cluster) as login:
            yield login


class Chaos:
    """What can be killed, and how; each returns whether there was one."""

    def __init__(self, login: LoginNode, dice: random.Random, pilots: list[Pilot]) -> None:
        self.login, self.dice, self.pilots = login, dice, pilots
        self.kernel = self.new_kernel()

    def new_kernel(self) -> subprocess.Popen[bytes]:
        names = [pilot.name for pilot in self.pilots]
        self.dice.shuffle(names)
        return subprocess.Popen(
            [sys.executable, "-c", KERNEL, *names], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def supervisor(self) -> bool:
        found = self.dice.choice(self.pilots).record.supervisor
        return found is not None and self.kill(found.pid)

    def worker(self) -> bool:
        jobs = self.jobs()
        found = [each for each in self.login.processes() if is_node(each) and job_of(each) in jobs]
        return bool(found) and self.kill(self.dice.choice(found).pid)

    def job(self) -> bool:
        jobs = self.jobs()
        if jobs:
            self.login.cluster.run("scancel", self.dice.choice(jobs), check=False)
        return bool(jobs)

    def jobs(self) -> list[str]:
        """Of nodes that have come up: five in a row that don't end a pilot, on purpose."""
        return [node.job for pilot in self.pilots for node in running(pilot)]

    def client(self) -> bool:
        self.kernel.kill()
        self.kernel.wait()
        self.kernel = self.new_kernel()
        return True

    def kill(self, pid: int) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                return True
        return False

    def repair(self) -> None:
        """What a user does on seeing a lost pilot."""
        for pilot in self.pilots:
            if pilot.state == "lost":
                with contextlib.suppress(Conflict):  # its successor was quicker
                    pilot.recover()
            assert not pilot.state.ended or pilot.state == "lost", f"{pilot}\n{pilot.logs()}"


def is_node(process: psutil.Process) -> bool:
    try:
        return "pilothouse.pilots.node.node" in process.cmdline()
    except psutil.Error:
        return False


def job_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("SLURM_JOB_ID", "")
    except psutil.Error:
        return ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:jobs at site")  # other batch systems may be installed here, and not run
@pytest.mark.parametrize(
    "times", [pytest.param(FEW, marks=pytest.mark.batch), pytest.param(MANY, marks=pytest.mark.nightly)]
)
def test_nothing_is_lost_or_left_after_deaths(patient_login: LoginNode, times: int) -> None:
    login = patient_login
    seed = int(os.environ.get("PILOTHOUSE_CHAOS_SEED") or random.randrange(10**6))
    print(f"PILOTHOUSE_CHAOS_SEED={seed} makes the same choices again")
    dice = random.Random(seed)
    pilots = [
        login.submit(nodes=2, name="one"),
        login.submit(nodes=2, name="two"),
        login.submit(nodes=2, name="inside", placement="job", lease="3h"),
    ]
    for pilot in pilots:
        pilot.wait(timeout=120)
    chaos = Chaos(login, dice, pilots)
    deaths: list[Callable[[], bool]] = [chaos.supervisor, chaos.worker, chaos.job, chaos.client] * times
    dice.shuffle(deaths)
    try:
        for death in deaths:
            eventually(lambda death=death: chaos.repair() or death(), f"a {death.__name__} to kill")  # type: ignore[misc]
    finally:
        chaos.kernel.kill()
        chaos.kernel.wait()

    def whole(pilot: Pilot) -> bool:
        chaos.repair()
        return pilot.state == "running" and len(running(pilot)) == 2

    for pilot in pilots:
        eventually(lambda pilot=pilot: whole(pilot), f"{pilot.name} with two nodes", within=180)  # type: ignore[misc]
        assert pilot.client().submit(sum, [1, 2]).result(timeout=60) == 3

    def all_are_wanted() -> bool:
        wanted = {node.job: node for pilot in pilots for node in pilot.nodes if not node.state.ended}
        alive = {job.id: job for job in login.alive()}
        odd = {job: (wanted.get(job), alive.get(job)) for job in wanted.keys() ^ alive.keys()}
        assert not odd, "\n".join([str(odd), *(pilot.logs() for pilot in pilots)])
        return True

    eventually(all_are_wanted, "no job that nobody wants")

    pilots[0].cancel()
    pilots[2].cancel(timeout=60)
    last = login.submit(nodes=2, name="last", lease="20s")
    for pilot in (pilots[1], last):  # nobody looks after these two
        eventually(lambda pilot=pilot: happened(pilot, "started"))  # type: ignore[misc]
        assert chaos.kill(pilot.record.supervisor.pid)  # type: ignore[union-attr]
        eventually(lambda pilot=pilot: pilot.state == "lost")  # type: ignore[misc]
    swept = {orphan.pilot for orphan in ph.sweep()}
    assert swept <= {"two", "last"}
    assert "two" in swept
    eventually(lambda: not login.alive(), "no jobs", within=120)
    eventually(lambda: not login.processes(), "no processes", within=60)
    pilots[1].cancel()  # until then, what its killed nodes had stays for its recovery
    eventually(lambda: not ph.sweep() and not login.files(), "no files, once the lease of the last one is over")
