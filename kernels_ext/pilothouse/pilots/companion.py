"""The pilot of Pilothouse beside an attached Dask cluster: its supervisor is here, its nodes beside the workers."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from pilothouse.errors import PilothouseError, Refused
from pilothouse.pilots.handle import Pilot
from pilothouse.pilots.queues.dask import Cluster
from pilothouse.pilots.sites.check import checked
from pilothouse.pilots.sites.description import PilotDescription, check
from pilothouse.pilots.sites.site import DASK, Site
from pilothouse.pilots.supervisor.launching import launch_here
from pilothouse.registry.folders import CLUSTER
from pilothouse.registry.liveness import may_be_recovered, reconcile
from pilothouse.registry.naming import claim, remove
from pilothouse.registry.records import FIRST, PILOTS, PilotRecord
from pilothouse.state import home, utcnow, write_atomic

if TYPE_CHECKING:
    from distributed import Client

#: How a scheduler's address may begin; another process can connect to these.
PROTOCOLS = ("tcp", "tls")
#: What has to be of one version where processes of Dask speak with each other.
ALIKE = ("python", "dask", "distributed")


def describe(**asked: object) -> PilotDescription:
    """What a companion is asked to be; :class:`InvalidInput` names the field at fault."""
    given = {field: value for field, value in asked.items() if value is not None}
    description: PilotDescription = check(PilotDescription, {**given, "replace": "failed"}, DASK, bare=False)
    return checked(description, Site(name=DASK, system=DASK))


def find(name: str, scheduler: str) -> Pilot | None:
    """The companion called `name`, or that and a number, of the cluster whose scheduler has that id; or None."""
    lost: Pilot | None = None
    for record in PILOTS:
        if not isinstance(record, PilotRecord) or record.settings.get("system") != DASK:
            continue
        if not re.fullmatch(rf"{re.escape(name)}(-\d+)?", record.name):
            continue
        record = reconcile(record)
        try:
            cluster = Cluster.read(PILOTS.folder(record.name) / CLUSTER)
        except PilothouseError:  # it ended for good
            continue
        if cluster.id == scheduler and not record.state.ended:
            return Pilot(record.name)
        if cluster.id == scheduler and may_be_recovered(record):
            lost = Pilot(record.name)
    return lost


def start(client: Client, address: str, name: str, description: PilotDescription) -> Pilot:
    """Start the companion of the cluster that `client` is connected to.

    Raises
    ------
    Refused
        Another process can't reach the scheduler, or a worker can't have a node beside it; nothing was started.
    Conflict
        Something that goes on has that name.
    """
    _check_protocol(address)
    security = client.security
    if getattr(security, "extra_conn_args", None) or type(security).__module__.partition(".")[0] != "distributed":
        raise Refused(
            f"security={security!r}: it can't be given to the pilot's supervisor, which is another process; give "
            "distributed.Security with TLS files",
            field="security",
        )
    said = client.scheduler_info(n_workers=-1)
    workers = said["workers"]
    python = _check_workers(client, workers)
    inside, here = _interface(address)
    site = Site(
        name=DASK, system=DASK, title=f"Dask cluster at {address}", python=python, login_interface=here,
        interface=here if inside else "", poll_least=0.5, poll_most=5.0,
    )  # fmt: skip
    cores = max((worker["nthreads"] for worker in workers.values()), default=1)
    description = description.model_copy(update={"nodes": max(len(workers), 1), "cores": cores})
    cluster, now = Cluster.of(address, str(said["id"]), security), utcnow()

    def make(chosen: str) -> PilotRecord:
        mine = site.model_copy(update={"source": str(PILOTS.root / chosen / CLUSTER)})
        return PilotRecord(
            name=chosen, site=site.name, created=now, begun=now, settings=mine.model_dump(mode="json"),
            description=description.model_dump(mode="json", exclude={"name", "site"}),
            wanted={FIRST: description.nodes}, nodes_wanted=description.nodes, reason="the supervisor is starting",
            lease_end=now + timedelta(seconds=description.lease),
        )  # fmt: skip

    record = claim(PILOTS, name, name, make)
    try:
        cluster.write(PILOTS.folder(record.name) / CLUSTER)
        launch_here(record.name)
    except BaseException:
        remove(PILOTS, record)
        raise
    return Pilot(record.name)


def _check_protocol(address: str) -> None:
    protocol = urlsplit(address).scheme
    if protocol in PROTOCOLS:
        return
    remedy = {
        "inproc": "it is inside of one process. Make the cluster with LocalCluster(processes=True), or with "
        "protocol='tcp'",
        "gateway": "its proxy is open to clients of dask-gateway alone. Give the address of the scheduler itself, "
        "'tls://…' with security=, from a host that reaches it",
    }.get(protocol, "give one that begins with tcp:// or tls://")
    raise Refused(
        f"address={address!r}: runs need a supervisor, a process of its own, which can't connect to that: {remedy}. "
        "client() works without",
        field="address",
    )


def _interface(address: str) -> tuple[bool, str]:
    """Whether the scheduler is on this host's loopback, and the interface of this host by which it is reached."""
    where = urlsplit(address)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((where.hostname, where.port))
            own = probe.getsockname()[0]
    except OSError:  # IPv6 alone, or a name that is resolved elsewhere
        return False, ""
    found = [name for name, each in psutil.net_if_addrs().items() if own in {one.address for one in each}]
    return own.startswith("127."), found[0] if found else ""


# ---------------------------------------------------------------------- what workers must have


def _check_workers(client: Client, workers: Mapping[str, Any]) -> str:
    """See to it that each worker can have a node beside it; the interpreter of all of them, empty where none is there.

    Raises
    ------
    Refused
        Naming the worker, what it lacks, and the remedy.
    """
    if not workers:
        return ""
    found = client.get_versions()
    for address, theirs in found["workers"].items():
        _check_alike(_word(workers, address), theirs["packages"], found["client"]["packages"])
    word, path = secrets.token_hex(16), home() / f".shared-{secrets.token_hex(4)}"
    write_atomic(path, word.encode())
    try:
        answers = client.run(_question(), str(path), on_error="return")
    finally:
        path.unlink(missing_ok=True)
    own = installed("pilothouse")
    for address, answer in answers.items():
        where = _word(workers, address)
        if isinstance(answer, Exception):
            raise Refused(f"{where} can't be asked: {type(answer).__name__}: {answer}", field="pilot")
        if answer["version"] and answer["version"] != own:
            raise Refused(
                f"{where} has Pilothouse {answer['version']}, and this process {own}: install the same in both",
                field="pilot",
            )
        if answer["trouble"]:
            raise Refused(
                f"{where} has no Pilothouse ({answer['trouble']}): install pilothouse {own} for {answer['python']}",
                field="pilot",
            )
        if answer["word"] != word:
            raise Refused(
                f"{where} does not see the state folder {path.parent} of this host ({answer['unseen']}): set "
                "PILOTHOUSE_HOME to a folder on a file system that both share, for the same user",
                field="pilot",
            )
    pythons = {answer["python"]: address for address, answer in answers.items()}
    if len(pythons) > 1:
        several = ", ".join(f"{python} at {address}" for python, address in pythons.items())
        raise Refused(f"the workers have several interpreters, and nodes need one path: {several}", field="pilot")
    return next(iter(pythons), "")


def _check_alike(where: str, theirs: Mapping[str, str], own: Mapping[str, str]) -> None:
    for package in ALIKE:
        have, want = str(theirs.get(package)), str(own.get(package))
        if package == "python":
            have, want = (".".join(each.split(".")[:2]) for each in (have, want))
        if have != want:
            raise Refused(
                f"{where} has {package} {have}, and this process {want}: install the same in both", field="pilot"
            )


def _question() -> Callable[[str], dict[str, str]]:
    """What each worker is asked. It travels by value: a worker without Pilothouse has no module to find it in."""

    def look(path: str) -> dict[str, str]:
        import sys

        said = {"python": sys.executable, "version": "", "trouble": "", "word": "", "unseen": "its content is another"}
        try:
            from importlib.metadata import version

            said["version"] = version("pilothouse")
            import pilothouse.pilots.queues.dask_worker  # noqa: F401
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            said["trouble"] = f"{type(error).__name__}: {error}"
        try:
            with open(path) as file:
                said["word"] = file.read()
        except OSError as error:
            said["unseen"] = str(error.strerror)
        return said

    return look


def _word(workers: Mapping[str, Any], address: str) -> str:
    known = workers.get(address, {})
    return f"the Dask worker {str(known.get('name', '')) or address!r} on {known.get('host', 'its host')} ({address})"
