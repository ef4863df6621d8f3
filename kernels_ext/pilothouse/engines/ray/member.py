"""What Ray does on a node: its daemons, a probe that says when they answer, a way out for what runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from pilothouse import remains
from pilothouse.engines.daemon import Daemon
from pilothouse.engines.protocols import Member, Place
from pilothouse.engines.ray import versions
from pilothouse.engines.ray.exposure import check_private
from pilothouse.engines.ray.probe import FIGURES, STARTED, resource_of
from pilothouse.errors import Failed, Unavailable
from pilothouse.registry.folders import LEFTOVERS
from pilothouse.registry.records import PILOTS
from pilothouse.runs.channel import PILOT_VARIABLE
from pilothouse.state import write_atomic

#: Seconds within which a first task is answered, and in which Ray's daemons end by themselves.
READY_S, END_S = 120.0, 5.0
#: Of a node's memory, the share for objects where nothing else was asked for, and Ray's own most.
SHARE, MOST = 0.3, 200 * 10**9
#: Of the seconds that a member has to leave, those that are kept for ending its daemons.
AFTER_S = 4.0
#: Ray gives its sockets names that are so much longer than its folder's; Unix takes 107 bytes.
SHORT = "/tmp"  # noqa: S108 - a folder of mode 0700 with a random name is made in it
#: Ray's own folder in that one: Ray opens it, and what is in it, to everybody.
OPEN = "r"
#: Ray's command.
COMMAND = (sys.executable, "-P", "-m", "pilothouse.engines.ray.command")
#: Before all others where Ray's processes look for modules.
LIGHTER = Path(__file__).parent / "lighter"


class RayMember(Member):
    """A head or a worker."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.token = place.scratch / "token"
        self._short = place.scratch / "short"
        self.ray: Daemon | None = None

    # ------------------------------------------------------------------ coming

    def start(self) -> None:
        """Start Ray, and return when a task was answered on this node."""
        place = self.place
        if find_spec("ray") is None:
            raise Unavailable(f"{sys.executable} on {place.node} has no Ray: pip install 'pilothouse[ray]' there")
        if not place.settings["public"]:
            check_private(place.node)
        write_atomic(self.token, place.secrets["token"].encode())
        is_head = place.role == "head"
        address = f"{self.ip}:{place.ports('gcs')['gcs']}" if is_head else self._head()
        argv = [*COMMAND, "start", "--block", *self._options(address)]
        started = self._folder() / OPEN / STARTED
        started.unlink(missing_ok=True)
        self.ray = place.daemon("ray", argv, env=self.environment, grace=END_S)
        figures = place.scratch / FIGURES
        figures.unlink(missing_ok=True)
        probe = place.daemon(
            "probe",
            [sys.executable, "-P", "-m", "pilothouse.engines.ray.probe", address, self.ip, str(place.number),
             str(started), str(figures)],
            env=self.environment,
        )  # fmt: skip
        place.until(figures.exists, "Ray's first task", READY_S)
        facts = json.loads(figures.read_bytes())
        if not is_head:
            probe.stop()
        self.address, self.id = address, facts["node"]
        place.publish(ip=self.ip, folder=str(self._folder()), id=self.id)
        if is_head:
            place.publish(address=address, **versions.here())

    @property
    def ip(self) -> str:
        """Ray's address of this node.

        It takes 127.0.0.1 for another word for the host's own outer address, and tells nodes apart by theirs.
        """
        host, number = self.place.host, self.place.number
        return f"127.0.{number // 250}.{number % 250 + 2}" if host == "127.0.0.1" else host

    @property
    def environment(self) -> dict[str, str]:
        """Of Ray's processes; the token itself is in no environment."""
        modules = filter(None, [str(LIGHTER), os.environ.get("PYTHONPATH")])
        return {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(self._folder() / OPEN), "PYTHONPATH": os.pathsep.join(modules),
        }  # fmt: skip

    def _head(self) -> str:
        """The address of the head, which this one may join."""
        place = self.place

        def published() -> Mapping[str, Any] | None:
            return next((member for member in place.members.values() if "address" in member), None)

        head = place.until(published, "the head", READY_S)
        versions.check(head, place.node)
        return str(head["address"])

    def _options(self, address: str) -> list[str]:
        place = self.place
        ports = place.ports("node", "objects", "agent", "agent_http", "environments", "metrics")
        store = place.settings["object_store"] or min(int(SHARE * place.memory), MOST)
        spilled = place.scratch / "spilled"
        spilled.mkdir(mode=0o700, exist_ok=True)
        own = {
            "node-ip-address": self.ip, "temp-dir": str(self._folder() / OPEN), "num-cpus": str(place.cores),
            "object-store-memory": str(store), "object-spilling-directory": str(spilled),
            "resources": json.dumps({resource_of(place.number): 1}),
            "node-manager-port": str(ports["node"]), "object-manager-port": str(ports["objects"]),
            "dashboard-agent-grpc-port": str(ports["agent"]), "dashboard-agent-listen-port": str(ports["agent_http"]),
            "runtime-env-agent-port": str(ports["environments"]), "metrics-export-port": str(ports["metrics"]),
        }  # fmt: skip
        if place.role == "head":
            own |= {"port": address.rpartition(":")[2], "include-dashboard": "false"}
            more = ["--head", "--no-monitor"]
        else:
            own["address"], more = address, []
        return [*more, "--disable-usage-stats", *(f"--{name}={value}" for name, value in own.items())]

    def _folder(self) -> Path:
        """What Ray's folder is in: short, for its sockets; it goes with the member, at the latest with the pilot."""
        if self._short.exists() and (known := Path(self._short.read_text())).exists():
            return known
        base = SHORT if os.path.isdir(SHORT) else tempfile.gettempdir()
        made = Path(tempfile.mkdtemp(prefix="ph-ray-", dir=base))
        write_atomic(self._short, str(made).encode())
        if pilot := os.environ.get(PILOT_VARIABLE):
            write_atomic(made / "owner.json", json.dumps({"record": str(PILOTS.path(pilot))}).encode())
            with (PILOTS.folder(pilot) / LEFTOVERS).open("a") as leftovers:
                leftovers.write(f"{made}\n")
        return made

    # ------------------------------------------------------------------ going

    def leave(self, seconds: float) -> None:
        """Nothing more begins here; what runs has its time. Then the raylet ends by itself; ``ray start`` goes on."""
        ray = self.ray
        if ray is None:
            return
        raylet = self._raylet()
        ray.expected = True
        deadline = max(seconds - AFTER_S, 1.0)
        ends = time.monotonic() + deadline
        drain = self.place.daemon(
            "drain",
            [*COMMAND, "drain-node", f"--address={self.address}", f"--node-id={self.id}",
             "--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=it leaves",
             f"--deadline-remaining-seconds={int(deadline)}"],
            env=self.environment,
        )  # fmt: skip
        drain.expected = True
        drain.wait(deadline)
        if drain.code:
            raise Failed(drain.last_words)
        psutil.wait_procs(raylet, timeout=max(ends - time.monotonic(), 0.0))

    def _raylet(self) -> list[psutil.Process]:
        """What runs tasks here; none when it has ended."""
        ray = self.ray
        with contextlib.suppress(psutil.Error):
            return [each for each in psutil.Process(ray.pid).children() if each.name() == "raylet"] if ray else []
        return []

    def stop(self) -> None:
        """The daemons end first: they write to the folder that goes. What outlives ``ray start`` ends, too."""
        if self.ray is not None:
            self.ray.stop()
        if self._short.exists():
            remains.end(self._left, 0.5)
            shutil.rmtree(self._folder(), ignore_errors=True)

    def _left(self) -> list[psutil.Process]:
        """Ray's daemons whose folder this is."""
        folder = str(self._folder())
        found = psutil.process_iter(["cmdline"])
        return [process for process in found if any(folder in word for word in process.info["cmdline"] or ())]

    # ------------------------------------------------------------------ figures

    def metrics(self) -> Mapping[str, float]:
        """Of the whole cluster, as its head has them."""
        if self.place.role != "head":
            return {}
        found: dict[str, float] = json.loads((self.place.scratch / FIGURES).read_bytes())["figures"]
        return found
