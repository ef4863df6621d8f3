"""What an HDFS does on one node."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pilothouse.engines.hadoop import formatted, namenode, storage
from pilothouse.engines.hadoop.configuration import write, write_logging
from pilothouse.engines.hadoop.hdfs_roles import NAMENODE
from pilothouse.engines.hadoop.program import Programs
from pilothouse.engines.hadoop.webhdfs import WebHDFS
from pilothouse.engines.jvm import thrown
from pilothouse.engines.protocols import Member, Place
from pilothouse.errors import Failed, Unavailable

#: Seconds in which daemons must answer; a host that is busy takes ten times what a quiet one does.
READY_S = 120.0
FORMAT_S = 120.0
#: Seconds that an order to the NameNode may take: a virtual machine starts for it.
ORDER_S = 60.0
#: Seconds in which the copies that were on a lost node are made again, before it is told how many lack.
MADE_GOOD_S = 600.0
#: Seconds between two looks at what takes long.
LOOK_S = 0.2
#: Seconds in which a NameNode has looked at all blocks for certain: it does so each second.
SURE_S = 3.0


class HDFSMember(Member):
    """A DataNode, and on the first node the NameNode."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.settings = place.settings
        self.programs = Programs(place.scratch)
        keep = place.settings["keep"]
        self.keep = Path(keep) if keep else None
        self.ports = place.ports("data", "data-http", "data-ipc", *(("rpc", "web") if self.is_first else ()))
        self.configuration = place.scratch / "conf"
        self.excluded = place.scratch / "excluded"
        self._leaves = False

    @property
    def is_first(self) -> bool:
        """Whether the NameNode is here."""
        return self.place.role == NAMENODE

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the member with the NameNode has told."""
        for member in self.place.members.values():
            if "web" in member:
                return member
        raise Unavailable("the NameNode is not there yet")

    @property
    def web(self) -> str:
        """The NameNode's pages."""
        return self._at("web") if self.is_first else str(self.facts["web"])

    @property
    def data(self) -> str:
        """Where this node's DataNode is."""
        return self._at("data")

    def _at(self, port: str) -> str:
        return f"{self.place.host}:{self.ports[port]}"

    # ------------------------------------------------------------------ start

    def start(self) -> None:
        """Start the daemons, and return when the NameNode has files' names and this DataNode."""
        if self.is_first:
            self._start_namenode()
            self._namenode_daemon()
            # A DataNode asks one that listens and does not serve yet again after 5 s only; it is not that fast.
            self.place.until(self._has_pages, "the NameNode has no pages", READY_S)
        else:
            self._configure(self.configuration, str(self.facts["address"]), storage.given_out(self.place.members))
        self._datanode = self.place.daemon(
            "datanode", self._command("hdfs.server.datanode.DataNode"), env=self.programs.environment
        )
        if self.is_first:
            self.place.until(self._operational, "the NameNode did not begin to serve", READY_S)
        seen = self.place.until(
            lambda: namenode.datanodes(self.web).get(self.data), "the DataNode is not there", READY_S
        )
        if seen.state != "In Service":  # the address of one that has left: with other ports it is another
            raise Failed(f"the NameNode takes the DataNode at {self.data} for one that is to leave")
        if self.is_first:
            self._make_folders()
            self.place.publish(serves=True)
        else:
            self.place.publish(data=self.data)
        if not self.programs.archive.there:
            self.programs.archive.make_aside()

    def _start_namenode(self) -> None:
        remembered = self.place.scratch / "parts"
        if not remembered.exists():
            remembered.write_text("\n".join(storage.parts(self.keep)))
        parts = remembered.read_text().split()
        address = f"hdfs://{self._at('rpc')}"
        self.excluded.touch()
        self._configure(self.configuration, address, parts)
        # For clients: Spark, YARN and Hadoop's own commands take the folder by HADOOP_CONF_DIR.
        told = self.place.folder / "hadoop"
        write(told, "core-site", {"fs.defaultFS": address})
        write(told, "hdfs-site", self._for_clients | {"dfs.namenode.http-address": self._at("web")})
        self.place.publish(
            address=address, web=self._at("web"), data=self.data, conf_dir=str(told), parts=parts,
            user=getpass.getuser(),
        )  # fmt: skip

    def _namenode_daemon(self) -> None:
        """Start the NameNode; before its first time it has its folder made."""
        if not (self._names / formatted.FOLDER / formatted.VERSION).exists():
            formatted.begin(
                self._names,
                lambda: self._run(
                    "hdfs.server.namenode.NameNode", "-format", "-nonInteractive", "-force", seconds=FORMAT_S
                ),
            )
        heap = self.settings["namenode_heap"]
        self.place.daemon(
            "namenode", self._command("hdfs.server.namenode.NameNode", heap=heap), env=self.programs.environment
        )

    @property
    def _names(self) -> Path:
        return storage.names(self.place.scratch, self.keep)

    @property
    def _for_clients(self) -> dict[str, object]:
        return {
            "dfs.replication": self._copies,
            "dfs.blocksize": self.settings["block_size"],
            # With few nodes there is none to replace one of a pipeline: what is left of it goes on.
            "dfs.client.block.write.replace-datanode-on-failure.best-effort": True,
            # A reader that finds no node with its block asks often: of the usual three times it waits up to 9 s each.
            "dfs.client.retry.window.base": 300,
            "dfs.client.max.block.acquire.failures": 12,
        }

    def _configure(self, folder: Path, address: str, parts: Sequence[str]) -> None:
        host, at = self.place.host, self._at
        write(
            folder,
            "core-site",
            {
                "fs.defaultFS": address,
                "hadoop.tmp.dir": self.place.scratch / "tmp",
                "hadoop.security.authentication": "simple",
                # A DataNode that starts before its NameNode asks often: after these it would wait for 5 s.
                "ipc.client.connect.retry.interval": 100,
                "ipc.client.connect.max.retries": 600,
            },
        )
        own = {
            "dfs.datanode.hostname": host,
            "dfs.datanode.address": at("data"),
            "dfs.datanode.http.address": at("data-http"),
            "dfs.datanode.ipc.address": at("data-ipc"),
            "dfs.datanode.data.dir": storage.uri(
                storage.blocks(self.place.scratch, self.keep, self.place.number, self.place.service, parts)
            ),
            "dfs.heartbeat.interval": 1,
            "dfs.blockreport.initialDelay": 0,
        }
        write(folder, "hdfs-site", self._for_clients | own | (self._of_namenode() if self.is_first else {}))
        write_logging(folder)

    def _of_namenode(self) -> dict[str, object]:
        return {
            "dfs.namenode.rpc-address": self._at("rpc"),
            "dfs.namenode.http-address": self._at("web"),
            "dfs.namenode.name.dir": self._names.as_uri(),
            "dfs.namenode.safemode.extension": 0,
            "dfs.namenode.datanode.registration.ip-hostname-check": False,
            "dfs.hosts.exclude": self.excluded,
            # A node that says nothing for 12 s is lost (2 x 1 s + 10 heartbeats): its blocks are copied again. Readers
            # and writers are sent elsewhere before.
            "dfs.namenode.heartbeat.recheck-interval": 1000,
            "dfs.namenode.stale.datanode.interval": 5000,
            # Nodes that leave are looked after each second, and their blocks are copied many at a time.
            "dfs.namenode.decommission.interval": 1,
            "dfs.namenode.redundancy.interval.seconds": 1,
            "dfs.namenode.replication.max-streams": 16,
            "dfs.namenode.replication.max-streams-hard-limit": 32,
            "dfs.namenode.replication.work.multiplier.per.iteration": 32,
            # Of few nodes each is the busiest now and then: it is to take blocks all the same.
            "dfs.namenode.redundancy.considerLoad": False,
        }

    def _command(self, main: str, *arguments: str, heap: int = 0) -> list[str]:
        heap = heap or self.settings["datanode_heap"]
        return self.programs.command(main, *arguments, configuration=self.configuration, heap=heap)

    def _has_pages(self) -> bool:
        with contextlib.suppress(LookupError):
            namenode.state(self.web)
        return True

    def _operational(self) -> bool:
        return bool(namenode.state(self.web)["FSState"] == "Operational")

    def _make_folders(self) -> None:
        """The folders that users and programs take for given."""
        user = getpass.getuser()
        files = WebHDFS(self.web, user)
        files.make("/tmp", 0o1777)  # noqa: S108 - of this file system
        files.make(f"/user/{user}", 0o755)

    def _run(self, main: str, *arguments: str, seconds: float) -> None:
        """Run a program of Hadoop's to its end.

        Raises
        ------
        Failed
            It ended badly, or not in time: with the line that says why.
        """
        log = self.place.folder / f"{self.place.engine}-{self.place.number}.orders.log"
        begun = log.stat().st_size if log.exists() else 0
        try:
            with log.open("ab") as file:
                subprocess.run(
                    self._command(main, *arguments), env=self._environment, stdin=subprocess.DEVNULL,
                    stdout=file, stderr=file, timeout=seconds, check=True,
                )  # fmt: skip
        except subprocess.SubprocessError as error:
            how = (
                f"ended with {getattr(error, 'returncode', 1)}"
                if isinstance(error, subprocess.CalledProcessError)
                else "took too long"
            )
            what = " ".join((main.rpartition(".")[2], *arguments))
            raise Failed(f"{what} {how}: {thrown.why(log, begun)}; {self.place.more}") from None

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.programs.environment}

    # ------------------------------------------------------------------ coming and going

    def release(self, number: int, seconds: float) -> None:
        """Have the NameNode copy the blocks of a DataNode that is to leave, and wait until it has.

        Raises
        ------
        Failed
            Not in time; it is as before.
        """
        data = str(self.place.members[number].get("data", ""))
        there = namenode.datanodes(self.web)
        if data not in there:
            return  # it never came, or is gone
        addresses = {member.get("data") for member in self.place.members.values()} - {data}
        staying = [node for node in there.values() if node.state == "In Service" and node.address in addresses]
        self._exclude(data)
        self._have_fewer_copies(len(staying))  # now: of each block, that of the node that leaves is the one too many
        total, deadline = there[data].blocks, time.monotonic() + seconds
        while True:
            seen = namenode.datanodes(self.web).get(data)
            if seen is None or seen.state == "Decommissioned":
                return
            waiting = int(namenode.system(self.web)["UnderReplicatedBlocks"])
            self.place.progress(max(total - waiting, 0), total, "blocks")
            if self.place.stopping or time.monotonic() > deadline:
                self._exclude(but=data)
                raise Failed(f"{waiting} blocks of {data} could not be copied within {seconds:g} s")
            time.sleep(LOOK_S)

    def leave(self, seconds: float) -> None:  # noqa: ARG002 - the NameNode has had its blocks copied
        """Its blocks are elsewhere: its part of a folder that stays goes with it."""
        self._leaves = True

    def lost(self, numbers: Sequence[int]) -> None:
        """Wait until what was on lost nodes has its copies again, as far as there are other copies and nodes.

        Raises
        ------
        Failed
            Blocks are missing: there was no other copy.
        """
        deadline = time.monotonic() + MADE_GOOD_S
        self._wait(self._knows_who_is_there, deadline)
        if len(namenode.datanodes(self.web)) >= self._copies:
            self._wait_for_copies(deadline)
        lacking, missing = self._lacking("UnderReplicatedBlocks"), self._lacking("MissingBlocks")
        self.place.event("copies", lost=list(numbers), under_replicated=lacking, missing=missing)
        if missing:
            raise Failed(f"{missing} blocks had their only copy on a node that was lost; `replication` makes more")

    def _wait_for_copies(self, deadline: float) -> None:
        """Wait until no block lacks a copy, nor waits for one that is on its way.

        The NameNode looks each second, and its figures are those of its latest look: what counts is what several say.
        """
        begun = time.monotonic()

        def copied() -> bool:
            nonlocal begun
            if self._lacking("UnderReplicatedBlocks") or self._lacking("PendingReplicationBlocks"):
                begun = time.monotonic()
            return time.monotonic() > begun + SURE_S

        self._wait(copied, deadline)

    def _knows_who_is_there(self) -> bool:
        """Whether the NameNode has no DataNode of one that is no member, and as many as copies need and members give.

        Members come and go meanwhile: the one that takes a lost one's place does. One that has expired is not shown any
        more, and reckoned with for a second or two: only then are copies of its blocks known to be missing.
        """
        members, live = list(self.place.members.values()), namenode.datanodes(self.web)
        expected = live.keys() <= {member.get("data") for member in members}
        serving = sum(node.state == "In Service" for node in live.values())
        known = namenode.in_service(self.web) == serving
        return expected and known and len(live) >= min(self._copies, len(members))

    @property
    def _copies(self) -> int:
        return self.settings["replication"] or 1

    def _lacking(self, which: str) -> int:
        return int(namenode.system(self.web)[which])

    def _wait(self, condition: Callable[[], bool], deadline: float) -> None:
        while not (self.place.stopping or time.monotonic() > deadline):
            with contextlib.suppress(OSError, LookupError):  # a NameNode that is just being started again
                if condition():
                    return
            time.sleep(LOOK_S)

    def _have_fewer_copies(self, nodes: int) -> None:
        """Files that are to have more copies than there are nodes keep a node from leaving: they get fewer."""
        if self._copies > nodes:
            changed = WebHDFS(self.web, getpass.getuser()).limit_copies(nodes)
            self.place.event("fewer copies", copies=nodes, files=changed)

    def _exclude(self, *addresses: str, but: str = "") -> None:
        """Tell the NameNode which DataNodes are to leave.

        Those that have left stay among them as long as it takes them for alive: it would send readers there.
        """
        alive = namenode.datanodes(self.web).keys() | set(addresses)
        excluded = ({*self.excluded.read_text().split(), *addresses} & alive) - {but}
        self.excluded.write_text("".join(f"{address}\n" for address in sorted(excluded)))
        self._run("hdfs.tools.DFSAdmin", "-refreshNodes", seconds=ORDER_S)

    # ------------------------------------------------------------------ figures, end

    def metrics(self) -> Mapping[str, float]:
        """Bytes of this node's DataNode; of the whole file system on the first node."""
        own = namenode.bean(self._at("data-http"), "service=DataNode,name=DataNodeActivity*")
        figures = {"bytes_in": float(own["BytesWritten"]), "bytes_out": float(own["BytesRead"])}
        if self.is_first:
            figures |= namenode.figures(self.web)
        return figures

    def stop(self) -> None:
        """Nothing of a node that has handed over its blocks stays."""
        if self._leaves and self.keep is not None:
            parts = storage.given_out(self.place.members)
            folder = storage.blocks(self.place.scratch, self.keep, self.place.number, self.place.service, parts)
            self._datanode.stop()  # it writes there
            shutil.rmtree(folder, ignore_errors=True)
