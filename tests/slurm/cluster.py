"""A real Slurm on this machine with four emulated nodes, for the ordinary user that runs the tests (root as well)."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.private_hosts import beside
from tests.slurm import accounting as database
from tests.slurm.accounting import PROGRAMS as ACCOUNTING_PROGRAMS
from tests.slurm.processes import Daemon, free_ports, is_listening, kill_where, program, tail, until

NODES = ("n1", "n2", "n3", "n4")
#: For :class:`tests.private_hosts.PrivateHosts`: where users are, and the nodes.
HOSTS = ("login", *NODES)
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
ACCOUNT = "tests"
_START_TIMEOUT = 60.0

# config_overrides: the nodes claim more than the machine has. linuxproc, task/none: no cgroups. NoInAddrAny: their
# own addresses only. Slurm's own defaults look at the queue every 60 s (main) and 30 s (backfill), and start a batch
# job up to 3 s late; a second is the least there is.
_SLURM_CONF = """\
ClusterName=pilothouse
SlurmctldHost={host}({address})
SlurmctldPort={controller_port}
AuthType=auth/munge
AuthInfo=socket={munge_socket}
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,default_queue_depth=1000
InactiveLimit=0
CompleteWait=0
KillWait={kill_wait}
MinJobAge={min_job_age}
OverTimeLimit=0
SlurmctldTimeout=30
SlurmdTimeout=60
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
JobAcctGatherParams=OverMemoryKill
DefMemPerCPU=1000
{accounting}
NodeName=n1 {n1} CPUs=4 RealMemory=4000 State=UNKNOWN
NodeName=n2 {n2} CPUs=4 RealMemory=4000 State=UNKNOWN
NodeName=n3 {n3} CPUs=4 RealMemory=4000 Feature=fast State=UNKNOWN
NodeName=n4 {n4} CPUs=4 RealMemory=4000 Feature=fast State=UNKNOWN
PartitionName=normal Nodes=n[1-4] Default=YES MaxTime=60 DefaultTime=10 State=UP
PartitionName=debug Nodes=n[1-2] Default=NO MaxTime=5 DefaultTime=2 State=UP PriorityTier=10
"""


@dataclass(frozen=True)
class SlurmJob:
    """A row of squeue: ``state`` and ``reason`` in Slurm's own words, ``nodes`` as a host list such as ``n[1-2]``."""

    id: str
    state: str
    reason: str
    nodes: str
    partition: str
    name: str


class SlurmCluster:
    """Slurm with the nodes n1 to n4, 4 CPUs and 4000 MB each, in a private folder and on ports of its own.

    Partition ``normal`` (default) has all nodes and at most 60 minutes, ``debug`` has n1 and n2 and at most 5.
    n3 and n4 have the feature ``fast``. A job that names no memory gets 1000 MB a CPU. Every job runs
    as the user of the tests; which node it is on is in ``SLURMD_NODENAME``. Slurm looks at time limits
    every 30 s, and slurmd gives a job that ignores SIGTERM 5 s at least.

    Parameters
    ----------
    accounting
        With slurmdbd: ``sacct`` works and limits are enforced, see `limit`.
    min_job_age
        Seconds for which squeue still shows a job that has ended.
    kill_wait
        Seconds between SIGTERM and SIGKILL for a job that is cancelled or out of time.
    hosts
        Each node is a host with a network of its own: this is the first of :data:`HOSTS`, and they are the others.

    Examples
    --------
    >>> with SlurmCluster() as cluster:  # doctest: +SKIP
    ...     cluster.run("srun", "-N4", "sh", "-c", "echo $SLURMD_NODENAME")
    """

    def __init__(
        self, *, accounting: bool = False, min_job_age: int = 300, kill_wait: int = 1, hosts: bool = False
    ) -> None:
        self.accounting = accounting
        self.hosts = hosts
        self.min_job_age = min_job_age
        self.kill_wait = kill_wait
        self.user = getpass.getuser()
        self.folder = Path()
        self.daemons: dict[str, Daemon] = {}
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which every Slurm command finds this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *argv: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command on the cluster's login node, which is here.

        Raises
        ------
        RuntimeError
            With the command's words, where it fails and ``check`` is set.
        """
        done = subprocess.run(
            argv,
            env=self._variables(),
            cwd=self.folder / "home",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def submit(self, command: str, *options: str) -> str:
        """Submit a shell command with options of sbatch; its job id."""
        return self.run("sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", command).stdout.strip()

    def jobs(self) -> list[SlurmJob]:
        """All jobs that Slurm knows of, also those that have ended within ``min_job_age``."""
        rows = self.run(
            "squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%N|%P|%j"
        ).stdout.splitlines()
        return [SlurmJob(*row.split("|", 5)) for row in rows]

    def job(self, job_id: str) -> SlurmJob:
        """One job of `jobs`."""
        return next(job for job in self.jobs() if job.id == job_id)

    def cancel_all(self) -> None:
        """Cancel every job and return when none of them is left on a node."""
        # COMPLETING jobs are in squeue's default selection; they can't be cancelled again.
        if alive := self._alive():
            self.run("scancel", "--full", *alive, check=False)
        until(lambda: not self._alive(), "cancelled jobs leave", timeout=30 + self.kill_wait, watched=self._all())

    def limit(self, user: str | None = None, **limits: int) -> None:
        """Set a user's limits in slurmdbd, e.g. ``limit(MaxSubmitJobs=2)``; -1 lifts one.

        Parameters
        ----------
        user
            Who; the user of the tests by default. Made known to slurmdbd where it is not yet.
        limits
            As sacctmgr names them: MaxJobs, MaxSubmitJobs, MaxTRES, ...
        """
        if not self.accounting:
            raise RuntimeError("limits need SlurmCluster(accounting=True)")
        user = user or self.user
        self._add_user(user)
        words = [f"{name}={value}" for name, value in limits.items()]
        self.run("sacctmgr", "-i", "modify", "user", "where", f"name={user}", f"account={ACCOUNT}", "set", *words)

    def log(self) -> str:
        """The last lines of every daemon."""
        return "\n".join(f"--- {name}\n{tail(daemon.log)}" for name, daemon in self.daemons.items())

    def _start(self, stack: contextlib.ExitStack) -> None:
        missing = missing_programs(accounting=self.accounting)
        if missing:
            raise RuntimeError(f"not installed: {', '.join(missing)}")
        # Beside other temporary folders but not in pytest's, which other users can't enter: a job of theirs has to.
        self.folder = Path(tempfile.mkdtemp(prefix="pilothouse-slurm-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o711)
        for name in ("state", "log", "accounting", "home"):
            (self.folder / name).mkdir(mode=0o700)
        for name in ("run", "spool", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(mode=0o755)
        controller_port, database_port, *node_ports = stack.enter_context(free_ports(2 + len(NODES)))
        self._write_conf(controller_port, database_port, node_ports)
        stack.callback(self._stop)
        self._start_munge()
        if self.accounting:
            self._start_accounting(database_port)
        self._launch("slurmctld", "slurmctld", "-D", "-c")
        until(
            lambda: is_listening(controller_port, self._address),
            "slurmctld starts",
            timeout=_START_TIMEOUT,
            watched=self._all(),
        )
        for node in NODES:
            self._launch(f"slurmd-{node}", "slurmd", "-D", "-N", node, host=node if self.hosts else "")
        until(self._all_idle, "all nodes are idle", timeout=_START_TIMEOUT, watched=self._all())

    def _write_conf(self, controller_port: int, database_port: int, node_ports: list[int]) -> None:
        conf = _SLURM_CONF.format(
            host=_host(),
            address=self._address,
            user=self.user,
            folder=self.folder,
            munge_socket=self._munge_socket,
            controller_port=controller_port,
            kill_wait=self.kill_wait,
            min_job_age=self.min_job_age,
            accounting=database.slurm_conf(database_port, self._munge_socket)
            if self.accounting
            else "AccountingStorageType=accounting_storage/none",
            **{node: self._where(node, port) for node, port in zip(NODES, node_ports, strict=True)},
        )
        path = self.folder / "slurm.conf"
        path.write_text(conf)
        path.chmod(0o644)

    @property
    def _address(self) -> str:
        return socket.gethostbyname(HOSTS[0]) if self.hosts else "127.0.0.1"

    def _where(self, node: str, port: int) -> str:
        """A node's host, address and port, in Slurm's words."""
        host, address = (node, socket.gethostbyname(node)) if self.hosts else (_host(), self._address)
        return f"NodeHostname={host} NodeAddr={address} Port={port}"

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self._launch(
            "munged",
            "munged",
            "--foreground",
            "--force",  # the folder is in /tmp, which others can write to
            f"--key-file={key}",
            f"--socket={self._munge_socket}",
            f"--pid-file={self.folder}/run/munged.pid",
            f"--seed-file={self.folder}/state/munged.seed",
        )
        until(self._munge_socket.is_socket, "munged starts", timeout=_START_TIMEOUT, watched=self._all())

    def _start_accounting(self, port: int) -> None:
        database.start(
            self.folder / "accounting",
            host=_host(),
            user=self.user,
            port=port,
            munge_socket=self._munge_socket,
            environment=self._variables(),
            started=lambda daemon: self.daemons.update({daemon.name: daemon}),
        )
        self.run("sacctmgr", "-i", "add", "cluster", "pilothouse")
        self.run(
            "sacctmgr", "-i", "add", "account", ACCOUNT, "Cluster=pilothouse", "Description=tests", "Organization=tests"
        )
        self._add_user(self.user)

    def _add_user(self, user: str) -> None:
        known = self.run(
            "sacctmgr", "-nP", "show", "assoc", f"user={user}", f"account={ACCOUNT}", "format=user"
        ).stdout.split()
        if user not in known:
            self.run("sacctmgr", "-i", "add", "user", user, f"Account={ACCOUNT}", f"DefaultAccount={ACCOUNT}")

    def _launch(self, name: str, command: str, *options: str, host: str = "") -> None:
        path = program(command)
        assert path is not None
        argv = [*(beside(host) if host else ()), path, *options]
        self.daemons[name] = Daemon(argv, self.folder / "log" / f"{name}.log", self._variables())

    def _all_idle(self) -> bool:
        done = self.run("sinfo", "--noheader", "--Node", "--partition=normal", "--format=%N %T", check=False)
        return sorted(done.stdout.splitlines()) == [f"{node} idle" for node in NODES]

    def _alive(self) -> list[str]:
        return self.run("squeue", "--noheader", "--format=%i").stdout.split()

    def _stop(self) -> None:
        for daemon in self._all():
            daemon.kill()
        kill_where(self._is_of_a_job)
        self.daemons.clear()

    def _is_of_a_job(self, process: psutil.Process) -> bool:
        # Jobs and their slurmstepd are no children of ours and would go on. slurmstepd writes its title over a part of
        # its environment, which psutil's reader takes for the end of it.
        variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        ours = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode() in variables
        return ours and (
            process.name() == "slurmstepd" or any(line.startswith(b"SLURMD_NODENAME=") for line in variables)
        )

    def _variables(self) -> dict[str, str]:
        # What a surrounding job of a real Slurm has set would be taken for options.
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "MYSQL_"))
        }
        return {**own, **self.environment}

    def _all(self) -> list[Daemon]:
        return list(self.daemons.values())

    @property
    def _munge_socket(self) -> Path:
        return self.folder / "run" / "munge.sock"


def missing_programs(*, accounting: bool = False) -> list[str]:
    """What has to be installed first; empty where a cluster can start."""
    return [name for name in (*PROGRAMS, *(ACCOUNTING_PROGRAMS if accounting else ())) if program(name) is None]


def _host() -> str:
    return socket.gethostname().partition(".")[0]
