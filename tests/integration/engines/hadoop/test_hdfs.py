"""HDFS for real, on a local pilot: one service for the tests of this file."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.engines.hadoop import namenode
from pilothouse.engines.hadoop.site import SiteHDFS
from pilothouse.errors import Conflict
from tests.integration.engines.hadoop.daemons import daemons
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.hdfs_service import HDFSService
    from pilothouse.pilots import Pilot

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
#: Of another account, where the tests run as root on a host that others use too: that is not what these are about.
OPEN = {"unprotected": True}
DATA = os.urandom(3 << 20)


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Iterator[Pilot]:
    with ph.submit("local", name="hdfs-tests", nodes=3, lease="1h").wait(timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def hdfs(pilot: Pilot) -> Iterator[HDFSService]:
    service: Any = pilot.start("hdfs", nodes=2, block_size="1 MiB", **OPEN)
    yield service.wait(timeout=240)
    service.stop()


def events(service: HDFSService, what: str) -> list[dict[str, Any]]:
    return [event for event in service.events() if event["what"] == what]


def copies(service: HDFSService) -> int:
    """Of blocks, on the DataNodes that live."""
    return sum(node.blocks for node in namenode.datanodes(service.client().url.removesuffix("/webhdfs/v1")).values())


def test_files_go_in_and_out_by_fsspec(hdfs: HDFSService, tmp_path: Path) -> None:
    files = hdfs.client()
    files.pipe("/data/a", DATA)
    assert files.cat("/data/a") == DATA
    assert files.cat_file("/data/a", 5, 5_000) == DATA[5:5_000]
    assert files.cat_file("/data/a", -7) == DATA[-7:]
    (tmp_path / "from").write_bytes(DATA)
    files.put(str(tmp_path / "from"), "/data/b")
    files.get("/data/b", str(tmp_path / "to"))
    assert (tmp_path / "to").read_bytes() == DATA
    with files.open("/data/c", "wb") as file:
        file.write(b"one ")
        file.write(b"two")
    with files.open("/data/c") as file:
        assert file.read() == b"one two"
    assert files.ls("/data", detail=False) == ["/data/a", "/data/b", "/data/c"]
    assert files.info("/data/a")["replication"] == 2
    assert files.info("/data/a")["blockSize"] == 1 << 20
    with pytest.raises(FileNotFoundError):
        files.cat("/data/none")
    with pytest.raises(FileExistsError):
        files.pipe_file("/data/a", b"", mode="create")
    assert files.isdir(files.home_directory())


def _figures(service: HDFSService) -> dict[str, float]:
    return {name: value for each in service.metrics().values() for name, value in each.items()}


def test_it_is_the_same_from_any_process_with_its_figures(hdfs: HDFSService) -> None:
    other: Any = ph.attach(hdfs.name)
    assert other.address == hdfs.address
    assert other.address.startswith("hdfs://127.0.0.1:")
    assert (other.conf_dir / "core-site.xml").read_text().count(hdfs.address) == 1
    other.client().pipe("/figures", DATA)
    written = 2 * len(DATA)  # the NameNode hears of it from the DataNodes, which each tell a second's
    eventually(lambda: sum(each["bytes_in"] for each in hdfs.metrics().values()) >= written, "written")
    eventually(lambda: _figures(hdfs)["disk_used"] >= written, "used")
    figures = _figures(hdfs)
    assert figures["datanodes"] == 2
    assert figures["blocks_missing"] == 0
    assert figures["disk_free"] > figures["disk_used"]


def test_what_is_written_in_another_way_is_there_as_well(hdfs: HDFSService) -> None:
    files = hdfs.client()
    with files.open("/ways/a", "xb", replication=1, permissions=0o640) as file:
        file.write(DATA)
    with files.open("/ways/a", "ab") as file:
        assert file.tell() == len(DATA)
        file.write(b"more")
    assert files.cat("/ways/a") == DATA + b"more"
    assert (files.info("/ways/a")["replication"], files.info("/ways/a")["permission"]) == (1, "640")
    with pytest.raises(FileExistsError):
        files.open("/ways/a", "xb")
    with files.transaction, files.open("/ways/a", "wb") as file:
        file.write(b"new")
        assert files.info("/ways/a")["size"] == len(DATA) + 4
    assert files.cat("/ways/a") == b"new"
    assert files.ls("/ways", detail=False) == ["/ways/a"]
    files.pipe("/ways/b", b"")
    assert files.cat("/ways/b") == b""
    with pytest.raises(OSError, match="can't be moved"):
        files.mv("/ways/a", "/ways/b")
    files.mv("/ways/a", "/ways/c")
    assert files.cat("/ways/c") == b"new"


def test_a_file_that_was_to_be_written_where_none_can_be_says_why(hdfs: HDFSService) -> None:
    files = hdfs.client()
    files.pipe("/a-file", b"1")
    with pytest.raises(OSError, match="/a-file"):
        files.pipe("/a-file/below", DATA)
    with pytest.raises(OSError, match="/a-file"), files.open("/a-file/below", "wb") as file:
        file.write(DATA)


def test_it_is_a_site_s_for_who_has_its_folder_alone(hdfs: HDFSService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADOOP_CONF_DIR", str(hdfs.conf_dir))
    site = SiteHDFS()
    assert (site.address, site.conf_dir, site.web) == (hdfs.address, hdfs.conf_dir, f"http://{hdfs.web}")
    site.client().pipe("/site", DATA)
    assert hdfs.client().cat("/site") == DATA
    assert site.client().info("/site")["owner"] == hdfs.client().user
    assert site.metrics()["datanodes"] == 2
    with pytest.raises(FileNotFoundError):
        site.client().info("/none")


def test_its_ports_are_on_loopback_alone(hdfs: HDFSService) -> None:
    listening = {
        line.laddr.ip for process in daemons(hdfs) for line in process.net_connections() if line.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


def test_a_node_comes_and_goes_and_nothing_is_lost(hdfs: HDFSService) -> None:
    files = hdfs.client()
    hdfs.extend().wait(timeout=240)
    files.pipe({f"/many/{number}": DATA for number in range(4)})
    third = hdfs.members[-1]
    hdfs.shrink().wait(timeout=240)
    assert third["node"] not in hdfs.nodes
    assert len(hdfs.nodes) == 2
    assert all(files.cat(f"/many/{number}") == DATA for number in range(4))
    assert files.info("/many/0")["replication"] == 2  # as many as there are nodes
    hdfs.shrink().wait(timeout=240)
    assert all(files.cat(f"/many/{number}") == DATA for number in range(4))
    assert files.info("/many/0")["replication"] == 1
    assert events(hdfs, "fewer copies")[0]["copies"] == 1
    with pytest.raises(Conflict, match="HDFS needs 1"):
        hdfs.shrink()
    hdfs.extend().wait(timeout=240)


def test_a_daemon_that_dies_comes_again_with_its_blocks(hdfs: HDFSService) -> None:
    files = hdfs.client()
    files.pipe("/durable", DATA)
    for process in daemons(hdfs):
        process.kill()
    eventually(lambda: len(events(hdfs, "daemon died")) >= 3, "their ends")
    eventually(lambda: _read(hdfs, "/durable") == DATA, "the blocks", 120)


def _read(service: HDFSService, path: str) -> bytes:
    try:
        return bytes(service.client().cat(path))
    except (OSError, RuntimeError):
        return b""


def test_what_a_lost_node_had_is_copied_again(hdfs: HDFSService, pilot: Pilot) -> None:
    files, before = hdfs.client(), copies(hdfs)
    files.pipe("/copied", DATA)
    gone = next(member for member in hdfs.members if member["role"] == "datanode")
    eventually(lambda: copies(hdfs) == before + 2 * 3, "two copies of three blocks")
    psutil.Process(next(node.pid for node in pilot.nodes if node.name == gone["node"])).kill()

    def is_read_until_it_is_copied() -> bool:
        assert files.cat("/copied") == DATA  # from the other node, also before its loss is noticed, and as it is
        return bool(events(hdfs, "copies"))

    eventually(is_read_until_it_is_copied, "what lacks to be told", 240)
    assert copies(hdfs) == before + 2 * 3
    assert events(hdfs, "copies")[-1]["missing"] == 0
    hdfs.wait(timeout=240)
    assert gone["number"] not in [member["number"] for member in hdfs.members]
    assert files.cat("/copied") == DATA


def test_what_was_kept_is_gone_on_with_and_what_was_not_is_gone(pilot: Pilot, tmp_path: Path) -> None:
    first: Any = pilot.start("hdfs", name="kept", keep=str(tmp_path / "kept"), **OPEN)
    first.client().pipe("/a/b", DATA)
    members, ours = first.members, daemons(first)
    ports = [int(members[0][name].rpartition(":")[2]) for name in ("address", "web", "data")]
    assert len(ours) == 2
    first.stop()
    assert not [process for process in ours if remains.is_running(process)]
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    second: Any = pilot.start("hdfs", name="kept-on", keep=str(tmp_path / "kept"), **OPEN)
    assert second.client().cat("/a/b") == DATA
    scratch = {_scratch(process) for process in daemons(second)}
    assert [folder for folder in scratch if folder.is_dir()]
    second.stop()
    assert not [folder for folder in scratch if folder.exists()]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["blocks-1-kept", "names"]


def _scratch(daemon: psutil.Process) -> Path:
    """The folder of the member of which this is a daemon: the class path ends there."""
    return Path(next(word for word in daemon.cmdline() if word.endswith("/pages")).rpartition(":")[2]).parent
