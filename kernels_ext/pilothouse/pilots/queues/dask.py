"""The queue of an attached Dask cluster: a job is a process beside one of its workers, and goes with that worker.

Nobody asks for more workers here: who started the cluster adds them and takes them away. No site file can name this
system; :func:`pilothouse.attach_dask` makes the site of each such pilot.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.job_script import job_script, write_program
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State
from pilothouse.state import write_atomic

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

#: Seconds in which a scheduler has to take a connection.
ANSWER_S = 3.0
#: Seconds after which a scheduler has gone whose host refuses connections, and one that says nothing: it may be busy.
REFUSED_S, SILENT_S = 2.0, 300.0
#: Seconds after which a worker has told of a job that it was given.
TOLD_S = 30.0
#: Seconds after which a job has ended whose worker has left, though nothing says so: its host is down.
ENDED_S = 90.0
#: What a node may use of its worker's memory: the worker's own tasks need the rest.
SHARE = 0.5
#: How a job ended whose worker is no longer there.
GONE = "its Dask worker has left the cluster"
#: What it takes to speak with a scheduler as a client.
_CLIENTS = ("tls_ca_file", "tls_client_cert", "tls_client_key", "tls_ciphers", "require_encryption")
_VERSIONS = ("tls_min_version", "tls_max_version")


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster of somebody else, and how it is reached.

    Attributes
    ----------
    address, id
        Of its scheduler; another one that comes to the same address has another id.
    security
        What a client needs, for :class:`distributed.Security`: paths of files, or the text of certificate and key.
    """

    address: str
    id: str
    security: dict[str, Any] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(address: str, number: str, security: Security) -> Cluster:
        """One that a client has reached with this `security`."""
        kept = {name: value for name in _CLIENTS if (value := getattr(security, name)) is not None}
        for name in _CLIENTS[:3]:
            if "\n" not in (path := kept.get(name, "\n")):
                kept[name] = str(Path(path).absolute())
        kept |= {name: value.name for name in _VERSIONS if (value := getattr(security, name)) is not None}
        return Cluster(address, number, kept)

    @staticmethod
    def read(path: Path) -> Cluster:
        """The one that :meth:`write` wrote; raises :class:`Unavailable` where that can't be read."""
        try:
            return Cluster(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise Unavailable(f"how the Dask cluster is reached can't be read: {path}: {error}") from None

    def write(self, path: Path) -> None:
        """Keep it, in a file of mode 0600."""
        write_atomic(path, json.dumps(dataclasses.asdict(self)).encode())

    def keys(self) -> Security:
        """For Dask."""
        from distributed.security import Security

        versions = {name: ssl.TLSVersion[self.security[name]] for name in _VERSIONS if name in self.security}
        return Security(**{**self.security, **versions})


@dataclass
class _Worker:
    nthreads: int
    memory: int
    jobs: dict[str, dict[str, Any]]


@dataclass
class _Begun:
    worker: str
    at: float
    told: dict[str, Any]


@dataclass(frozen=True)
class _Silence:
    since: float
    patience: float
    why: str


class DaskQueue:
    """Jobs beside the workers of one Dask cluster, one of a pilot at each.

    Parameters
    ----------
    site
        Its ``source`` is the file of the pilot that says how the cluster is reached.

    Attributes
    ----------
    places
        How many jobs the pilot is to have: one beside each worker, and those that end since their worker has left;
        one where there are none; None while not known.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._workers: dict[str, _Worker] = {}
        self._waiting: dict[str, Job] = {}
        self._begun: dict[str, _Begun] = {}
        self._ending: dict[str, _Begun] = {}
        self._ended: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._silence: _Silence | None = None
        self._placing = asyncio.Lock()
        self.places: int | None = None

    @property
    def cluster(self) -> Cluster:
        """Which cluster it is."""
        return Cluster.read(Path(self._site.source))

    @property
    def gone(self) -> str:
        """Why the cluster has gone; empty while it has not, and may only be busy or out of reach."""
        silence = self._silence
        return silence.why if silence and time.monotonic() - silence.since > silence.patience else ""

    def script(self, job: Job) -> str:
        """What is started; its cores and memory are those of the worker that it will be beside."""
        return job_script(job, "")

    async def submit(self, job: Job) -> str:
        """Start the job beside a worker that has none of its pilot, or let it wait for one."""
        number = secrets.token_hex(6)
        self._waiting[number] = job
        with contextlib.suppress(Unavailable):  # it waits for that, too
            await self._look()
            await self._place()
        return number

    async def poll(self) -> dict[str, JobStatus]:
        """All jobs of the user beside the cluster's workers, as these tell of them, and those that wait for one."""
        await self._look()
        await self._place()
        found = {
            number: JobStatus(State.PENDING, self._why_waiting(), tag=job.tag) for number, job in self._waiting.items()
        }
        for jobs in (self._begun, self._ending):
            found |= {number: _status(begun.told) for number, begun in jobs.items()}
        for worker in self._workers.values():
            found |= {number: _status(told) for number, told in worker.jobs.items()}
        return found

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """A job that no worker tells of any more ends, or has ended."""
        if self.places is None:
            await self._look()
        told = {number for worker in self._workers.values() for number in worker.jobs}
        unknown = [number for number in ids if number not in {*self._waiting, *self._begun, *told, *self._ended}]
        for number in unknown:  # of an earlier supervisor
            self._ending.setdefault(number, _Begun("", time.monotonic(), {"tag": ""}))
        await self._look_at_ends()
        ended = {number: JobStatus(State.FINISHED, GONE) for number in ids if number in self._ended}
        return ended | {number: _status(self._ending[number].told) for number in unknown if number in self._ending}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """Tell the jobs to end; what is left of one after half a minute is ended."""
        ids = [number for number in ids if self._waiting.pop(number, None) is None]
        if not ids:
            return
        await self._look()
        where = {number: begun.worker for number, begun in self._begun.items()}
        where |= {number: address for address, worker in self._workers.items() for number in worker.jobs}
        addresses = sorted({where[number] for number in ids if number in where})
        if addresses:
            from pilothouse.pilots.queues import dask_worker

            async with self._client() as client:
                await client.run(dask_worker.end, list(ids), workers=addresses, on_error="ignore")

    async def limits(self) -> list[QueueLimits]:
        """There are no queues here."""
        return []

    async def estimate(self, job: Job) -> datetime | None:
        """When workers come is their owner's to know."""
        return None

    # ------------------------------------------------------------------ the cluster

    async def _look(self) -> None:
        """Learn from the scheduler which workers there are, and what they tell."""
        from distributed.core import rpc

        from pilothouse.pilots.queues.dask_worker import NAME

        cluster = self.cluster
        asked, arguments = time.monotonic(), cluster.keys().get_connection_args("client")
        try:
            async with asyncio.timeout(self._site.timeout):
                async with rpc(cluster.address, timeout=ANSWER_S, connection_args=arguments) as scheduler:
                    said = await scheduler.identity(n_workers=-1)
        except (OSError, TimeoutError) as error:
            patience = REFUSED_S if await _refuses(cluster.address) else SILENT_S
            why = f"the Dask scheduler at {cluster.address} does not answer ({error})"
            self._silence = _Silence(self._silence.since if self._silence else asked, patience, why)
            raise Unavailable(why) from None
        if said["id"] != cluster.id:
            self._silence = _Silence(asked, 0.0, f"another Dask scheduler is at {cluster.address} by now")
            raise Unavailable(self._silence.why)
        self._silence = None
        before = {
            number: _Begun(address, asked, told)
            for address, worker in self._workers.items()
            for number, told in worker.jobs.items()
            if told["code"] is None and Path(told["script"]).parent == self._folder
        }
        self._workers = {
            address: _Worker(each["nthreads"], each["memory_limit"] or 0, each["metrics"].get(NAME) or {})
            for address, each in said["workers"].items()
        }
        told = {number for worker in self._workers.values() for number in worker.jobs}
        now = time.monotonic()
        for number, begun in {**before, **self._begun}.items():
            if number not in told and (begun.worker not in self._workers or now - begun.at > TOLD_S):
                self._ending.setdefault(number, _Begun(begun.worker, now, begun.told))
        self._begun = {number: begun for number, begun in self._begun.items() if number not in {*told, *self._ending}}
        self._ending = {number: begun for number, begun in self._ending.items() if number not in told}
        await self._look_at_ends()
        self._unfit = {address: why for address, why in self._unfit.items() if address in self._workers}
        self.places = max(len(self._workers) - len(self._unfit) + len(self._ending), 1)

    async def _look_at_ends(self) -> None:
        """Learn which jobs have ended whose worker has left."""
        ended = {
            number
            for number, begun in self._ending.items()
            if time.monotonic() - begun.at > ENDED_S or not await asyncio.to_thread(_is_there, self._mark(number))
        }
        self._ended |= ended
        self._ending = {number: begun for number, begun in self._ending.items() if number not in ended}

    @property
    def _folder(self) -> Path:
        return Path(self._site.source).parent

    def _mark(self, number: str) -> Path:
        """The file that is there from when a job begins until nothing is left of it."""
        return self._folder / f"{number}.begun"

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        from distributed import Client

        cluster = self.cluster
        try:
            async with asyncio.timeout(self._site.timeout):
                async with Client(
                    cluster.address, security=cluster.keys(), asynchronous=True, set_as_default=False, timeout=ANSWER_S
                ) as client:
                    yield client
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"the Dask scheduler at {cluster.address} does not answer ({error})") from None

    def _why_waiting(self) -> str:
        if self._unfit:
            return "; ".join(f"the Dask worker at {address}: {why}" for address, why in sorted(self._unfit.items()))
        return "the Dask cluster has no worker for it" if self._workers else "the Dask cluster has no workers"

    # ------------------------------------------------------------------ placing

    async def _place(self) -> None:
        """Start what waits beside workers that are free."""
        async with self._placing:
            pairs: list[tuple[str, str]] = []
            for number, job in self._waiting.items():
                taken = {address for _, address in pairs}
                if free := next((address for address in self._free(job) if address not in taken), None):
                    pairs.append((number, free))
            if pairs:
                async with self._client() as client:
                    begun = (self._begin(client, number, address) for number, address in pairs)
                    for error in await asyncio.gather(*begun, return_exceptions=True):
                        if isinstance(error, BaseException):
                            raise error

    def _free(self, job: Job) -> Iterator[str]:
        """The workers beside which there is no job of the pilot."""
        pilot = job.tag.rpartition("-")[0]
        begun = {begun.worker for begun in self._begun.values() if begun.told["tag"].rpartition("-")[0] == pilot}
        for address, worker in self._workers.items():
            tags = {told["tag"].rpartition("-")[0] for told in worker.jobs.values() if told["code"] is None}
            if address not in begun and address not in self._unfit and pilot not in tags:
                yield address

    async def _begin(self, client: Client, number: str, address: str) -> None:
        from pilothouse.pilots.queues import dask_worker

        job, version = self._waiting[number], installed("pilothouse")
        script, mark = job.log.with_suffix(".sh"), self._mark(number)
        await write_program(script, self.script(_fitted(job, address, self._workers[address])))
        await write_program(mark, "")
        if self._waiting.pop(number, None) is None:  # it was cancelled
            await asyncio.to_thread(mark.unlink)
            return
        self._begun[number] = _Begun(address, time.monotonic(), {"tag": job.tag})
        answers = await client.run(
            dask_worker.begin, number, job.tag, job.name, str(script), str(job.log), str(mark), job.command[0], version,
            workers=[address], on_error="return",
        )  # fmt: skip
        told = answers.get(address)  # without an answer it may have begun: the worker will tell, or is gone
        if isinstance(told, Exception) and not isinstance(told, OSError):  # it has no Pilothouse, or another one
            told = {"unfit": f"{type(told).__name__}: {told}; install Pilothouse {version} there"}
        if isinstance(told, dict) and "unfit" in told:
            self._unfit[address], self._waiting[number] = told["unfit"], job
            del self._begun[number]
            await asyncio.to_thread(mark.unlink)
        elif isinstance(told, dict):
            self._begun[number].told = told


async def _refuses(address: str) -> bool:
    """Whether nobody listens there any more, as opposed to one that is busy, or not to be reached."""
    where = urlsplit(address)
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(where.hostname, where.port)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    writer.close()
    return False


def _is_there(path: Path) -> bool:
    """Whether the file is there, for all that is known; to open it has NFS ask, while to look for it may not."""
    try:
        path.open("rb").close()
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ESTALE)
    return True


def _fitted(job: Job, address: str, worker: _Worker) -> Job:
    """The job with the cores of its worker, a share of its memory, and the address of its host."""
    from distributed.comm import get_address_host

    command = list(job.command)
    own = {"--cores": str(worker.nthreads)}
    if not job.kind.memory:
        own["--memory"] = str(int(worker.memory * SHARE))
    for option, value in own.items():
        if option in command:
            command[command.index(option) + 1] = value
    if "--scheduler-file" in command:  # it is a node
        command += ["--host", get_address_host(address)]
    return dataclasses.replace(job, command=command)


def _status(told: dict[str, Any]) -> JobStatus:
    """From what a worker tells of a job."""
    code = told.get("code")
    known = {"tag": told["tag"], "host": told.get("host", ""), "pid": told.get("pid", 0)}
    if code is None:
        return JobStatus(State.RUNNING, **known)
    state = State.FINISHED if code == 0 else State.FAILED
    return JobStatus(state, f"exit code {code}" if code else "", exit_code=code, **known)
