"""Reading from an HDFS whose DataNodes go meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from pilothouse.engines.hadoop import namenode
from pilothouse.engines.hadoop.filesystem import HDFSFileSystem
from pilothouse.engines.hadoop.namenode import DataNode

DATA = bytes(range(100))
NODES = {name: DataNode(f"{name}:1", f"{name}:2", "In Service", 1) for name in ("a", "b")}


class Answer:
    """A DataNode's, which ends after `most` bytes."""

    def __init__(self, url: str, data: bytes, most: int) -> None:
        self.url, self._data, self._most = url, data, most
        self.ok, self.headers = True, {"Content-Length": str(len(data))}

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def iter_content(self, size: int) -> Iterator[bytes]:
        for start in range(0, len(self._data), 10):
            if start >= self._most:
                raise requests.exceptions.ChunkedEncodingError("broken")
            yield self._data[start : start + 10]


@pytest.fixture
def most() -> dict[str, int]:
    """How many bytes come from each node before it goes."""
    return {"a": 30, "b": 1000}


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, most: dict[str, int]) -> HDFSFileSystem:
    made = HDFSFileSystem(host="namenode", port=1, user="u", skip_instance_cache=True)

    def call(what: str, method: str, path: str, **options: Any) -> Any:
        left = [name for name, node in NODES.items() if node.address not in options["excludedatanodes"].split(",")]
        if not left:
            raise RuntimeError("no DataNode")
        end = options["offset"] + options.get("length", len(DATA))
        return SimpleNamespace(headers={"Location": f"http://{left[0]}:2/{options['offset']}/{end}"})

    def request(method: str, where: str, **_: Any) -> Any:
        name, start, end = where[7], *map(int, where.split("/")[3:])
        return Answer(where, DATA[start:end], most[name])

    monkeypatch.setattr(namenode, "datanodes", lambda web: {node.address: node for node in NODES.values()})
    monkeypatch.setattr(made, "_call", call)
    monkeypatch.setattr(made, "isdir", lambda path: False)
    monkeypatch.setattr(made.session, "request", request)
    return made


def test_another_node_goes_on_where_one_has_gone(files: HDFSFileSystem, tmp_path: Path) -> None:
    assert files.cat_file("/x") == DATA
    assert files.cat_file("/x", 5, 77) == DATA[5:77]
    files.get_file("/x", str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == DATA


def test_where_all_have_gone_the_reader_hears_of_it(files: HDFSFileSystem, most: dict[str, int]) -> None:
    most["b"] = 20
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="broken"):
        files.cat_file("/x")
