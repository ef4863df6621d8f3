"""Pilots on a real Slurm with four emulated nodes, beside dask-jobqueue; tasks, beside plain Dask and RADICAL-Pilot.

The machine is small and shared by the scheduler, the nodes and the benchmark: medians of several runs, peers in turn.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import fake
from benchmarks.rows import Row, compare, missing, within
from benchmarks.supervisors import process_of, share_of_a_core
from tests.slurm.cluster import SlurmCluster, missing_programs

RUNS = 5
NULL_TASKS = 10_000
EXECUTABLES = 2_000
ASKED = {"cores": 1, "memory": "900 MiB", "walltime": "20min"}
SITE = '[slurm]\ninterface = "lo"\npoll_most = 10.0\n[fake]\nsystem = "fake"\ninterface = "lo"\n'


def _median(measure: Callable[[], float], runs: int = RUNS) -> float:
    return statistics.median(measure() for _ in range(runs))


def _waited(cluster: SlurmCluster, job: str) -> float:
    """Seconds that Slurm let the job wait: its own figures."""
    text = cluster.run("scontrol", "-o", "show", "job", job).stdout
    found = dict(part.split("=", 1) for part in text.split() if "=" in part)
    times = [time.mktime(time.strptime(found[name], "%Y-%m-%dT%H:%M:%S")) for name in ("SubmitTime", "StartTime")]
    return times[1] - times[0]


def _first_task(cluster: SlurmCluster) -> float:
    """From the call to the first task's result, less the wait in the queue (which Slurm knows to the second)."""
    import pilothouse as ph

    begun = time.perf_counter()
    with ph.submit("slurm", **ASKED) as pilot:
        pilot.wait(nodes=1, timeout=60).client().submit(int, 1).result()
        return time.perf_counter() - begun - _waited(cluster, pilot.nodes[0].job)


def _four_nodes() -> float:
    import pilothouse as ph

    begun = time.perf_counter()
    with ph.submit("slurm", nodes=4, **ASKED) as pilot:
        pilot.wait(timeout=60)
        return time.perf_counter() - begun


def _four_workers_of_dask_jobqueue() -> float:
    """SLURMCluster in a fresh process, as a user has it; imports are not counted, for ours have been made, too."""
    code = (
        "import sys, time\n"
        "from dask.distributed import Client\n"
        "from dask_jobqueue import SLURMCluster\n"
        "begun = time.perf_counter()\n"
        "with SLURMCluster(cores=1, processes=1, memory='900MB', job_mem='900M', walltime='00:20:00', interface='lo',\n"
        "    job_extra_directives=['-N 1'], log_directory=sys.argv[1], shared_temp_directory=sys.argv[1],\n"
        "    scheduler_options={'dashboard_address': '127.0.0.1:0', 'interface': 'lo'}) as cluster:\n"
        "    cluster.scale(4)\n"
        "    with Client(cluster) as client:\n"
        "        client.wait_for_workers(4, timeout=60)\n"
        "        print('ready', time.perf_counter() - begun, flush=True)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=folder
        )
    return float(next(line for line in done.stdout.splitlines() if line.startswith("ready")).split()[1])


def _extended(cluster: SlurmCluster) -> float:
    """From ``extend(1)`` to its first task there, less the wait in the queue."""
    import pilothouse as ph

    with ph.submit("slurm", nodes=1, **ASKED) as pilot:
        pilot.wait(timeout=60)

        def once() -> float:
            before = pilot.record.nodes_wanted
            begun = time.perf_counter()
            pilot.extend(1).wait(timeout=60)
            node = pilot.nodes[-1]
            pilot.client().submit(int, 1, workers=[node.name], pure=False).result()
            seconds = time.perf_counter() - begun - _waited(cluster, node.job)
            pilot.scale(before)
            return seconds

        return _median(once)


def _cancelled(cluster: SlurmCluster) -> float:
    """From ``cancel()`` of a pilot with two running and some pending nodes until Slurm has no job of it."""
    import pilothouse as ph

    pilot = ph.submit("slurm", nodes=18, **{**ASKED, "memory": "1000 MiB"}).wait(nodes=2, timeout=60)
    begun = time.perf_counter()
    pilot.cancel(timeout=60)
    while any(job.state in ("RUNNING", "PENDING", "COMPLETING") for job in cluster.jobs()):
        time.sleep(0.02)
    return time.perf_counter() - begun


def _attach(name: str) -> float:
    """A fresh process attaches, asks the supervisor something, and prints how long that took, imports included."""
    code = (
        "import sys, time\nbegun = time.perf_counter()\nimport pilothouse as ph\n"
        "pilot = ph.attach(sys.argv[1])\npilot.scale(pilot.record.nodes_wanted)\nprint(time.perf_counter() - begun)"
    )
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _listed() -> float:
    """List a registry of a hundred pilots, most of them ended."""
    import pilothouse as ph
    from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, State
    from pilothouse.state import utcnow

    for number in range(100 - len(list(PILOTS))):
        nodes = [NodeRecord(name=f"old{number}-{n}", state=State.FINISHED, job=str(n)) for n in range(4)]
        PILOTS.write(
            PilotRecord(
                name=f"old{number}", site="slurm", state=State.FINISHED, created=utcnow(), ended=utcnow(), nodes=nodes
            )
        )

    def once() -> float:
        begun = time.perf_counter()
        found = [(pilot.name, pilot.state) for pilot in ph.pilots()]
        seconds = time.perf_counter() - begun
        assert len(found) == 100, len(found)
        return seconds

    return _median(once)


def _seconds(measured: Callable[[], object]) -> float:
    begun = time.perf_counter()
    measured()
    return time.perf_counter() - begun


def _null_tasks(client: Any) -> float:
    return _seconds(lambda: client.gather(client.map(_nothing, range(NULL_TASKS), pure=False, batch_size=1000)))


def _nothing(_: int) -> None:
    return None


def _tasks() -> list[Row]:
    """Python tasks through a pilot's client, and executables, on two nodes of a local pilot."""
    import dask
    from distributed import Client, LocalCluster

    import pilothouse as ph
    from pilothouse.pilots.node.unhurried import QUIET

    rows = []
    ours, plain = [], []
    with (
        dask.config.set(QUIET),
        ph.submit("local", nodes=2, memory="2 GiB").wait(timeout=60) as pilot,
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            security=True,
            dashboard_address=None,
            memory_limit="2GiB",
            silence_logs=50,
        ) as cluster,
        Client(cluster, set_as_default=False) as peer,
    ):
        for client in (pilot.client(), peer):
            _null_tasks(client)  # both warm
        for _ in range(RUNS):
            ours.append(_null_tasks(pilot.client()))
            plain.append(_null_tasks(peer))
        rows.append(
            compare(
                f"{NULL_TASKS} null tasks, beside plain Dask with TLS (s)",
                statistics.median(ours), statistics.median(plain), 1.05,
            )
        )  # fmt: skip
        pilot.map_execute([["/bin/true"]] * 50).result()

        executables, bare = [], []
        for _ in range(RUNS):
            executables.append(
                _seconds(lambda: pilot.map_execute([["/bin/true"]] * EXECUTABLES).result()) / EXECUTABLES
            )
            bare.append(_seconds(_executables_of_xargs) / EXECUTABLES)
        rate = statistics.median(executables)
        rows.append(within("null executable on two local nodes (s each; 800 a second)", rate, 1 / 800))
        rows.append(compare("the same, beside xargs with two processes (s each)", rate, statistics.median(bare), 2.0))
    peer_rate = _radical()
    if peer_rate is None:
        rows.append(missing("null executable", "RADICAL-Pilot"))
    else:
        rows.append(compare("null executable, beside RADICAL-Pilot (s each)", rate, peer_rate))
    return rows


def _executables_of_xargs() -> None:
    """As many null executables, two at a time, that have no folder, no log and no record of their own."""
    numbers = "\n".join(map(str, range(EXECUTABLES)))
    subprocess.run(["xargs", "-n", "1", "-P", "2", "/bin/true"], input=numbers, text=True, check=True)


def _radical() -> float | None:
    """Seconds for each of 100 null executables with RADICAL-Pilot on this host, from an environment that is its own."""
    home = os.environ.get("PILOTHOUSE_RADICAL")
    if not home or not Path(home, "bin", "radical-pilot-version").exists():
        return None
    code = (
        "import time, radical.pilot as rp\n"
        "if __name__ == '__main__':\n"
        "    with rp.Session() as session:\n"
        "        pmgr, tmgr = rp.PilotManager(session), rp.TaskManager(session)\n"
        "        tmgr.add_pilots(pmgr.submit_pilots(rp.PilotDescription({'resource': 'local.localhost', 'cores': 2,\n"
        "            'runtime': 10})))\n"
        "        tmgr.submit_tasks([rp.TaskDescription({'executable': '/bin/true'})]); tmgr.wait_tasks()\n"
        "        begun = time.perf_counter()\n"
        "        tmgr.submit_tasks([rp.TaskDescription({'executable': '/bin/true'}) for _ in range(100)])\n"
        "        tmgr.wait_tasks(); print('each', (time.perf_counter() - begun) / 100, flush=True)\n"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # it writes to each of these
        places = dict.fromkeys(("HOME", "PWD", "TMPDIR"), folder)
        environment = {**os.environ, **places, "VIRTUAL_ENV": home, "PATH": f"{home}/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            [f"{home}/bin/python", "-c", code],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
    return next((float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("each")), None)


def _thousand() -> list[Row]:
    """A pilot of a thousand nodes that all wait, on a fake batch system: what it costs to keep, to list and to end."""
    import pilothouse as ph
    from pilothouse.registry.records import PILOTS

    begun = time.perf_counter()
    pilot = ph.submit("fake", nodes=1000, memory="1 GiB", walltime="20min")
    while sum(bool(node.job) for node in pilot.nodes) < 1000:
        time.sleep(0.5)
    submitted = time.perf_counter() - begun
    calls = len(list(PILOTS.folder(pilot.name).glob("*.sh")))  # of each, the script is kept
    share = share_of_a_core(pilot)

    def listed() -> float:
        begun = time.perf_counter()
        assert pilot.name in {each.name for each in ph.pilots()}
        return time.perf_counter() - begun

    found = _median(listed)
    megabytes = process_of(pilot).memory_info().rss / 2**20
    size = PILOTS.path(pilot.name).stat().st_size / 2**20
    begun = time.perf_counter()
    pilot.cancel()
    cancelled = time.perf_counter() - begun
    return [
        within("1,000 waiting nodes on a fake queue: all submitted (s)", submitted, 60.0),
        within("the same: calls of the batch system to submit them", calls, 10),
        within("the same: supervisor, share of a core", share, 0.2),
        within("the same: supervisor, memory (MB)", megabytes, 250.0),
        within("the same: record (MB)", size, 2.0),
        within("the same: listed (s)", found, 0.2),
        within("the same: cancelled (s)", cancelled, 10.0),
    ]


@contextlib.contextmanager
def _places() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "slurm.toml")
        site.write_text(SITE)
        os.environ |= {"PILOTHOUSE_HOME": str(Path(folder, "state")), "PILOTHOUSE_SITES": str(site)}
        yield


def _on_slurm() -> list[Row]:
    import pilothouse as ph

    with SlurmCluster() as cluster:
        os.environ |= cluster.environment
        ours, peers = [], []
        for _ in range(RUNS):  # in turn: the machine's mood is the same for both
            ours.append(_four_nodes())
            peers.append(_four_workers_of_dask_jobqueue())
        rows = [
            within("Slurm: submit to the first task's result, less the queue's wait (s)",
                   _median(lambda: _first_task(cluster)), 3.0),
            compare("Slurm: 4 nodes ready, beside dask-jobqueue's SLURMCluster (s)",
                    statistics.median(ours), statistics.median(peers), 0.5),
            within("Slurm: extend by one to a task there, less the queue's wait (s)", _extended(cluster), 3.0),
            within("Slurm: cancel of 18 nodes until no job is left (s)", _median(lambda: _cancelled(cluster), 3), 2.0),
        ]  # fmt: skip
        with ph.submit("slurm", nodes=2, name="bench", **ASKED) as pilot:
            pilot.wait(timeout=60)
            rows += [
                within("attach from a fresh process, ask, answer (s)", _median(lambda: _attach("bench")), 0.1),
                within("100 pilots listed (s)", _listed(), 0.1),
                within("idle supervisor and its polls, share of a core",
                       share_of_a_core(pilot, after=45, seconds=40), 0.003),  # its polls are ten seconds apart by then
            ]  # fmt: skip
        cluster.cancel_all()
    return rows


def rows() -> list[Row]:
    """Measure everything, one thing after the other."""
    with fake.installed(), _places():
        if missing_programs(accounting=False) or not shutil.which("sbatch"):
            return [missing("pilots on a batch system", "Slurm"), *_thousand(), *_tasks()]
        return [*_on_slurm(), *_thousand(), *_tasks()]
