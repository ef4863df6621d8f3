"""Reading from, and writing to, an HDFS whose DataNodes and NameNodes go meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fsspec.callbacks import Callback

from pilothouse.engines.hadoop import filesystem
from pilothouse.engines.hadoop.datanode import PIECE, Gone
from pilothouse.engines.hadoop.filesystem import HDFSFileSystem
from tests.unit.engines.hadoop.daemons import FakeHDFS


@pytest.fixture
def hdfs() -> Iterator[FakeHDFS]:
    with FakeHDFS.serving() as made:
        yield made


@pytest.fixture
def files(hdfs: FakeHDFS) -> HDFSFileSystem:
    return connected(hdfs)


def connected(hdfs: FakeHDFS, *others: str) -> HDFSFileSystem:
    at = urlsplit(hdfs.pages)
    assert at.hostname
    return HDFSFileSystem(host=at.hostname, port=at.port, user="u", others=others, skip_instance_cache=True)


def test_another_node_goes_on_where_one_has_gone(hdfs: FakeHDFS, files: HDFSFileSystem, tmp_path: Path) -> None:
    hdfs.add_datanode(most=30)
    hdfs.add_datanode()
    assert files.cat_file("/x") == hdfs.data
    assert files.cat_file("/x", 5, 77) == hdfs.data[5:77]
    files.get_file("/x", str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == hdfs.data


def test_a_name_node_that_sends_to_one_that_has_expired_is_asked_until_it_does_not(
    hdfs: FakeHDFS, files: HDFSFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "AGAIN_S", 0.001)
    hdfs.add_datanode(most=0)
    hdfs.add_datanode()
    hdfs.expired = 5
    assert files.cat_file("/x") == hdfs.data
    monkeypatch.setattr(filesystem, "EXPIRES_S", 0.0)
    hdfs.expired = 5
    with pytest.raises(Gone):
        files.cat_file("/x")


def test_where_all_have_gone_the_reader_hears_of_it(hdfs: FakeHDFS, files: HDFSFileSystem) -> None:
    hdfs.add_datanode(most=30)
    hdfs.add_datanode(most=20)
    with pytest.raises(Gone, match="broke off 50 bytes before the end"):
        files.cat_file("/x")


def test_what_is_written_has_its_length_and_goes_to_another_node(hdfs: FakeHDFS, files: HDFSFileSystem) -> None:
    hdfs.add_datanode(most=0)
    hdfs.add_datanode()
    data = os.urandom(2 * PIECE + 7)
    files.pipe_file("/x", data)
    assert hdfs.data == data
    assert hdfs.framed == [False, False]


def test_what_is_written_through_open_is_one_stream(hdfs: FakeHDFS, files: HDFSFileSystem) -> None:
    hdfs.add_datanode()
    data = os.urandom(2 * PIECE + 7)
    with files.open("/x", "wb") as file:
        file.write(b"small")
        file.write(data)
        assert file.tell() == 5 + len(data)
    assert hdfs.data == b"small" + data
    assert hdfs.framed == [True]
    with pytest.raises(ValueError, match="r\\+b"):
        files.open("/x", "r+b")


def test_a_file_that_becomes_shorter_is_not_written_half(hdfs: FakeHDFS, files: HDFSFileSystem, tmp_path: Path) -> None:
    hdfs.add_datanode()
    (tmp_path / "x").write_bytes(b"12345")

    class Cuts(Callback):  # type: ignore[misc] # fsspec has no types
        def set_size(self, size: int) -> None:
            assert size == 5
            os.truncate(tmp_path / "x", 3)

    with pytest.raises(OSError, match="became shorter"):
        files.put_file(str(tmp_path / "x"), "/x", callback=Cuts())
    assert hdfs.asked == ["CREATE", "DELETE"]


@pytest.mark.parametrize("how", ["pipe", "open"])
def test_a_refusal_is_in_the_words_of_the_node(hdfs: FakeHDFS, files: HDFSFileSystem, how: str) -> None:
    hdfs.add_datanode()
    hdfs.refusal = "the quota is used up"
    with pytest.raises(OSError, match="quota"):
        if how == "pipe":
            files.pipe_file("/x", b"1")
        else:
            with files.open("/x", "wb") as file:
                file.write(b"1")


def test_another_name_node_is_asked_when_one_stands_by_or_has_gone(hdfs: FakeHDFS) -> None:
    hdfs.add_datanode()
    with FakeHDFS.serving() as other:
        files = connected(hdfs, other.pages)
        hdfs.standby = True
        assert files.info("/x")["size"] == 100
        assert other.asked == ["GETFILESTATUS"]
        hdfs.standby, other.standby = False, True
        assert files.cat_file("/x") == hdfs.data
    assert files.info("/x")["size"] == 100  # the other one is not there any more
    hdfs.standby = True
    with pytest.raises(RuntimeError, match="state standby"):
        files.info("/x")
