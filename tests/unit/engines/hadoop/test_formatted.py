"""A NameNode's folder that is copied in place of being made: what is the same, what is its own, what is not trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pilothouse.engines.hadoop.formatted import FOLDER, IMAGE, VERSION, begin

TOLD = """#Mon Nov 30 10:00:00 UTC 2026
namespaceID=7
blockpoolID=BP-1-127.0.0.1-2
storageType=NAME_NODE
cTime=2
clusterID=CID-a
layoutVersion=-67
"""


class Hadoop:
    """What makes a folder as Hadoop's own program does, and how often it did."""

    def __init__(self, names: Path) -> None:
        self.names, self.runs = names, 0

    def __call__(self) -> None:
        self.runs += 1
        folder = self.names / FOLDER
        folder.mkdir()
        (folder / VERSION).write_text(TOLD)
        (folder / "seen_txid").write_text("0\n")
        (folder / IMAGE).write_bytes(b"image")
        (folder / f"{IMAGE}.md5").write_text(f"{hashlib.md5(b'image').hexdigest()} *{IMAGE}\n")


def made(folder: Path) -> tuple[Hadoop, dict[str, str], dict[str, bytes]]:
    """Begin in a folder; what ran, the ids, and the other files."""
    folder.mkdir()
    hadoop = Hadoop(folder)
    begin(folder, hadoop)
    found = {path.name: path.read_bytes() for path in (folder / FOLDER).iterdir()}
    told = found.pop(VERSION).decode().splitlines()
    assert [path.name for path in folder.iterdir()] == [FOLDER]
    return hadoop, dict(line.split("=") for line in told if "=" in line), found


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PILOTHOUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_made_once_and_each_has_ids_of_its_own(tmp_path: Path) -> None:
    first, second, third = (made(tmp_path / name) for name in "abc")
    assert [hadoop.runs for hadoop, *_ in (first, second, third)] == [1, 0, 0]
    assert first[2] == second[2] == third[2]
    own = ("blockpoolID", "clusterID", "cTime")
    for name in own[:2]:
        assert len({ids[name] for _, ids, _ in (first, second, third)}) == 3
    assert second[1].keys() == first[1].keys()
    assert {name: value for name, value in second[1].items() if name not in own} == {
        "namespaceID": "7", "storageType": "NAME_NODE", "layoutVersion": "-67",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "content"), [(IMAGE, b"imag"), (f"{IMAGE}.md5", b""), (f"{IMAGE}.md5", b"\xff")])
def test_one_that_was_altered_is_made_anew(tmp_path: Path, cache: Path, name: str, content: bytes) -> None:
    made(tmp_path / "a")
    (altered,) = cache.glob(f"formatted/*/{name}")
    altered.write_bytes(content)
    hadoop, _, files = made(tmp_path / "b")
    assert (hadoop.runs, files[IMAGE]) == (1, b"image")
    assert made(tmp_path / "c")[0].runs == 0


def test_where_nothing_can_be_kept_it_is_made_each_time(tmp_path: Path, cache: Path) -> None:
    cache.write_text("no folder")
    assert [made(tmp_path / name)[0].runs for name in "ab"] == [1, 1]
