"""A YARN cluster, asked and told by the REST interface of its ResourceManager."""

from __future__ import annotations

import getpass
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pilothouse.engines.hadoop import conf_dir as configuration
from pilothouse.errors import NotFound, Refused, Unavailable

MIB = 1 << 20
#: An application's number.
APPLICATION = re.compile(r"application_\d+_\d+")
#: Of no use to us, and most of what is said of an application.
_LEFT_OUT = "resourceRequests"
#: Bytes of what is said of an error.
_SAID = 2000


@dataclass(frozen=True)
class Resource:
    """Memory (bytes) and cores."""

    memory: int
    cores: int


@dataclass(frozen=True)
class Node:
    """A NodeManager.

    Attributes
    ----------
    id
        Its host and port.
    state
        ``RUNNING``, ``LOST``, ``SHUTDOWN``, …
    has, used
        What it has for containers, and what they have taken.
    containers
        How many of them there are.
    """

    id: str
    host: str
    state: str
    has: Resource
    used: Resource
    containers: int
    health: str


@dataclass(frozen=True)
class Application:
    """An application.

    Attributes
    ----------
    state, final
        YARN's words: ``ACCEPTED``, ``RUNNING``, ``FINISHED``, …; and ``UNDEFINED``, ``SUCCEEDED``, ``FAILED``,
        ``KILLED``.
    diagnostics
        Why it waits, or how it ended.
    host, container
        Where its master is; empty while it waits.
    submitted, launched
        When (UTC); None where not yet.
    """

    id: str
    name: str
    user: str
    queue: str
    kind: str
    state: str
    final: str
    diagnostics: str
    host: str
    container: str
    tags: frozenset[str]
    submitted: datetime | None
    launched: datetime | None


@dataclass(frozen=True)
class Queue:
    """A queue that takes applications."""

    name: str
    path: str
    available: bool


class Cluster:
    """A YARN cluster.

    Its methods block for `timeout` seconds at most, and raise :class:`~pilothouse.errors.Unavailable` where no
    ResourceManager answers, :class:`~pilothouse.errors.Refused` where one says no.

    Parameters
    ----------
    addresses
        URLs of its ResourceManagers; the one that serves is found.
    user
        Who asks; that of ``$HADOOP_USER_NAME`` or of this process where empty. Nothing proves it: clusters with
        Kerberos are asked in vain.
    """

    def __init__(self, addresses: Sequence[str], *, user: str = "", timeout: float = 20.0) -> None:
        self.addresses = list(addresses)
        self.user = user or os.environ.get("HADOOP_USER_NAME", "") or getpass.getuser()
        self.timeout = timeout
        # Proxies are for the world outside; a standby's redirection is followed by asking the next one.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirection()).open

    @staticmethod
    def of(conf_dir: str | Path = "", *, timeout: float = 20.0) -> Cluster:
        """That of a folder of configuration; of ``$HADOOP_CONF_DIR`` where none is named."""
        said = configuration.properties(configuration.conf_dir(str(conf_dir)))
        if configuration.kerberos(said):
            raise Unavailable(
                "this Hadoop wants Kerberos's tickets, which its REST interface is not given here: no pilots on it",
                field="conf_dir",
            )
        return Cluster(configuration.resource_managers(said), timeout=timeout)

    def info(self) -> Mapping[str, Any]:
        """What the ResourceManager says of itself, as it says it."""
        return dict(self._get("info")["clusterInfo"])

    def metrics(self) -> Mapping[str, Any]:
        """Figures of the whole cluster, as YARN calls them: ``appsRunning``, ``allocatedMB`` and so on."""
        return dict(self._get("metrics")["clusterMetrics"])

    def nodes(self) -> list[Node]:
        """All NodeManagers, those that have gone too."""
        return read_nodes(self._get("nodes"))

    def applications(self, *, user: str = "", kind: str = "", states: Sequence[str] = ()) -> list[Application]:
        """Applications that the ResourceManager knows, those that have ended too."""
        asked = {"user": user, "applicationTypes": kind, "states": ",".join(states), "deSelects": _LEFT_OUT}
        return read_applications(self._get("apps", {name: value for name, value in asked.items() if value}))

    def application(self, number: str) -> Application:
        """One application.

        Raises
        ------
        NotFound
            It is not known (any more).
        """
        return read_application(self._get(f"apps/{number}", {"deSelects": _LEFT_OUT})["app"])

    def queues(self) -> list[Queue]:
        """The queues that take applications: those without others below."""
        return read_queues(self._get("scheduler"))

    def new_application(self) -> tuple[str, Resource]:
        """A number for an application, and the most that a container may have."""
        said = self._tell("POST", "apps/new-application")
        most = said["maximum-resource-capability"]
        return str(said["application-id"]), Resource(int(most["memory"]) * MIB, int(most["vCores"]))

    def submit(self, application: Mapping[str, Any]) -> None:
        """Hand over an application, as the REST interface wants it."""
        self._tell("POST", "apps", application)

    def kill(self, number: str) -> None:
        """End an application at once; one that has ended, or is not known, is no error."""
        if APPLICATION.fullmatch(number):
            try:
                self._tell("PUT", f"apps/{number}/state", {"state": "KILLED"})
            except NotFound:
                return

    def signal(self, container: str) -> None:
        """Tell a container to end by its own hand (SIGTERM)."""
        self._tell("POST", f"containers/{container}/signal/GRACEFUL_SHUTDOWN")

    def resize(self, node: str, memory: int, cores: int) -> None:
        """Say what a node has for containers from now on; those that are there stay."""
        resource = {"memory": memory // MIB, "vCores": cores}
        self._tell("POST", f"nodes/{node}/resource", {"resource": resource, "overCommitTimeout": -1})

    # ------------------------------------------------------------------ REST

    def _get(self, path: str, asked: Mapping[str, str] | None = None) -> Any:
        return self._ask("GET", path, asked or {}, None)

    def _tell(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._ask(method, path, {}, body)

    def _ask(self, method: str, path: str, asked: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
        query = urllib.parse.urlencode({**asked, "user.name": self.user}, safe=",")
        reasons = []
        for address in list(self.addresses):
            request = urllib.request.Request(  # noqa: S310 - http or https, from the configuration
                f"{address}/ws/v1/cluster/{urllib.parse.quote(path, safe='/:')}?{query}",
                data=None if body is None and method == "GET" else json.dumps(body or {}).encode(),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                method=method,
            )
            try:
                with self._open(request, timeout=self.timeout) as answer:
                    text = answer.read()
                if b"This is standby RM" in text[:200]:
                    raise OSError("it stands by")
                self._first(address)
                # Some orders are answered with a word.
                return json.loads(text) if method == "GET" or text.startswith((b"{", b"[")) else {}
            except urllib.error.HTTPError as error:
                reasons.append(f"{address}: {_refusal(error, path)}")
            except (OSError, HTTPException, ValueError) as error:
                reasons.append(f"{address}: {getattr(error, 'reason', None) or error}")
        raise Unavailable(f"YARN's ResourceManager does not answer ({'; '.join(reasons)})")

    def _first(self, address: str) -> None:
        """Ask this one first from now on."""
        if self.addresses[0] != address:
            self.addresses.remove(address)
            self.addresses.insert(0, address)


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _refusal(error: urllib.error.HTTPError, path: str) -> str:
    """Why this one can't be asked; raises what an answer means."""
    text = error.read(_SAID).decode(errors="replace")
    try:
        said = str(json.loads(text)["RemoteException"]["message"])
    except (ValueError, LookupError, TypeError):
        said = " ".join(re.sub(r"<[^>]*>", " ", text).split())[:200] or error.reason
    said = re.sub(r"^(?:[\w.$]+(?:Exception|Error): )+", "", said).strip()
    if error.code == 404:
        raise NotFound(f"YARN does not know {path.rpartition('/')[2]}: {said}")
    if error.code in (401, 407):
        return f"it wants another proof of who asks ({said})"
    if error.code in (400, 403, 409):
        raise Refused(f"YARN: {said}")
    return f"HTTP {error.code}: {said}"


# ---------------------------------------------------------------------- what it says


def read_nodes(said: Mapping[str, Any]) -> list[Node]:
    """``/nodes``."""
    found = []
    for each in (said.get("nodes") or {}).get("node") or []:
        used = Resource(int(each.get("usedMemoryMB", 0)) * MIB, int(each.get("usedVirtualCores", 0)))
        free = Resource(int(each.get("availMemoryMB", 0)) * MIB, int(each.get("availableVirtualCores", 0)))
        found.append(
            Node(
                str(each["id"]),
                str(each.get("nodeHostName", "")),
                str(each["state"]),
                Resource(used.memory + free.memory, used.cores + free.cores),
                used,
                int(each.get("numContainers", 0)),
                str(each.get("healthReport") or ""),
            )
        )
    return found


def read_applications(said: Mapping[str, Any]) -> list[Application]:
    """``/apps``."""
    return [read_application(each) for each in (said.get("apps") or {}).get("app") or []]


def read_application(said: Mapping[str, Any]) -> Application:
    """One of ``/apps``."""
    container = re.search(r"/(container_\w+)/", str(said.get("amContainerLogs") or ""))
    return Application(
        id=str(said["id"]), name=str(said.get("name") or ""), user=str(said.get("user") or ""),
        queue=str(said.get("queue") or ""), kind=str(said.get("applicationType") or ""), state=str(said["state"]),
        final=str(said.get("finalStatus") or "UNDEFINED"), diagnostics=str(said.get("diagnostics") or ""),
        host=str(said.get("amHostHttpAddress") or "").rpartition(":")[0],
        container=container[1] if container else "",
        tags=frozenset(filter(None, str(said.get("applicationTags") or "").split(","))),
        submitted=_time(said.get("startedTime")), launched=_time(said.get("launchTime")),
    )  # fmt: skip


def read_queues(said: Mapping[str, Any]) -> list[Queue]:
    """``/scheduler``, of whichever scheduler."""
    info = said["scheduler"]["schedulerInfo"]
    found: list[Queue] = []

    def look(queue: Mapping[str, Any], above: str) -> None:
        name = str(queue.get("queueName") or "default")
        path = str(queue.get("queuePath") or (f"{above}.{name}" if above else name))
        below = (queue.get("queues") or queue.get("childQueues") or {}).get("queue") or []
        for each in [below] if isinstance(below, dict) else below:
            look(each, path)
        if not below:
            found.append(Queue(path.rpartition(".")[2], path, str(queue.get("state", "RUNNING")) == "RUNNING"))

    look(info.get("rootQueue") or info, "")
    return found


def _time(milliseconds: object) -> datetime | None:
    known = isinstance(milliseconds, int) and milliseconds > 0
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if known else None  # type: ignore[operator]
