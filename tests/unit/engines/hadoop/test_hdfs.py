from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.engines.hadoop import exposure, storage
from pilothouse.engines.hadoop.hdfs import HDFS
from pilothouse.engines.hadoop.hdfs_roles import DATANODE, NAMENODE
from pilothouse.engines.hadoop.hdfs_settings import HDFSSettings
from pilothouse.engines.jvm import jars
from pilothouse.engines.settings import checked
from pilothouse.errors import InvalidInput
from pilothouse.registry.records import PilotRecord
from pilothouse.state import utcnow

PILOT = PilotRecord(name="p", site="local", created=utcnow())


@pytest.fixture(autouse=True)
def _ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "others", set)
    monkeypatch.setattr(jars, "found", lambda software: True)


def test_the_first_has_the_namenode_and_the_others_wait_for_it() -> None:
    engine = HDFS()
    assert engine.role([], 3) == NAMENODE
    assert engine.role([NAMENODE, DATANODE], 3) == DATANODE
    assert engine.first(NAMENODE)
    assert not engine.first(DATANODE)


def test_what_goes_with_a_node_is_said() -> None:
    engine = HDFS()
    assert "NameNode" in engine.loses(NAMENODE, [DATANODE])
    assert engine.loses(DATANODE, [NAMENODE]) == ""


@pytest.mark.parametrize(("nodes", "copies"), [(1, 1), (2, 2), (5, 2)])
def test_there_are_two_copies_where_there_are_two_nodes(nodes: int, copies: int) -> None:
    settings = HDFSSettings()
    HDFS().check(PILOT, nodes, settings)
    assert settings.replication == copies


def test_what_is_asked_for_is_kept() -> None:
    settings = HDFSSettings(replication=3)
    HDFS().check(PILOT, 1, settings)
    assert settings.replication == 3


@pytest.mark.parametrize(
    ("values", "field"),
    [({"replication": 0}, "replication"), ({"block_size": "many"}, "block_size"), ({"repliction": 2}, "repliction"),
     ({"namenode_heap": "1 kB"}, "namenode_heap"), ({"block_size": (1 << 20) + 1}, "block_size")],
)  # fmt: skip
def test_bad_values_name_their_field(values: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        checked("hdfs", HDFSSettings, values)
    assert raised.value.field == field


def test_a_kept_folder_with_more_nodes_blocks_is_refused(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"blocks-{number}-old").mkdir()
    with pytest.raises(InvalidInput, match=r"nodes=2: .* has the blocks of 3 nodes"):
        HDFS().check(PILOT, 2, HDFSSettings(keep=tmp_path))
    HDFS().check(PILOT, 3, HDFSSettings(keep=tmp_path))


def test_a_folder_of_blocks_is_named_without_a_sign_that_datanodes_stumble_over() -> None:
    there = Path("/tmp/nodes/exp-3.163@n3/hdfs-1/blocks")
    assert storage.uri(there) == f"file://{there}"
    for name in ("my data", "a,b", "100%", "données"):
        with pytest.raises(InvalidInput, match="HDFS can't have blocks below") as caught:
            storage.uri(Path("/scratch") / name)
        assert caught.value.field == "keep"


def test_members_get_the_parts_of_a_kept_folder_in_their_order(tmp_path: Path) -> None:
    for number in (10, 2):
        (tmp_path / f"blocks-{number}-old").mkdir()
    parts = storage.parts(tmp_path)
    assert parts == ["blocks-2-old", "blocks-10-old"]
    assert storage.given_out({1: {"number": 1, "parts": parts}, 2: {"number": 2}}) == parts
    chosen = [storage.blocks(tmp_path, tmp_path, number, "new", parts).name for number in (1, 2, 3)]
    assert chosen == ["blocks-2-old", "blocks-10-old", "blocks-3-new"]
    assert storage.blocks(tmp_path / "scratch", None, 2, "new", []) == tmp_path / "scratch" / "blocks"


def test_its_module_is_light() -> None:
    heavy = ["numpy", "pydantic", "requests", "fsspec", "urllib.request"]
    code = f"import sys, pilothouse.engines.hadoop.hdfs; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
