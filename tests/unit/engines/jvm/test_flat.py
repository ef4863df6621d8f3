from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pilothouse.engines.jvm.flat import flat
from pilothouse.engines.jvm.lock import Jar, Lock
from pilothouse.engines.jvm.verified import sha256

CONTENT = {"pages/": b"", "pages/index.html": b"<p>ahoy</p>" * 1000, "One.class": bytes(5000)}


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    """Two jars, of which programs look through the first."""
    monkeypatch.setenv("PILOTHOUSE_CACHE", str(tmp_path / "cache"))
    jars = []
    for name in ("looked-through", "other"):
        with zipfile.ZipFile(tmp_path / f"{name}.jar", "w", zipfile.ZIP_DEFLATED) as jar:
            for entry, data in CONTENT.items():
                jar.writestr(entry, data)
        path = tmp_path / f"{name}.jar"
        jars.append(Jar(f"org.toy:{name}:1", path.name, path.stat().st_size, sha256(path), name == "looked-through"))
    return Lock("toy", "1.0", tuple(jars))


def test_what_is_looked_through_has_nothing_compressed(wanted: Lock, tmp_path: Path) -> None:
    paths = [tmp_path / jar.file for jar in wanted.jars]
    copy, other = flat(wanted, paths)
    assert other == paths[1]
    assert copy.name == paths[0].name  # clients choose by it
    with zipfile.ZipFile(copy) as jar:
        assert {entry.filename: jar.read(entry) for entry in jar.infolist()} == CONTENT
        assert {entry.compress_type for entry in jar.infolist()} == {zipfile.ZIP_STORED}
        assert jar.getinfo("pages/").is_dir()
    inode = copy.stat().st_ino
    assert flat(wanted, paths)[0].stat().st_ino == inode
    copy.write_bytes(b"another")
    with zipfile.ZipFile(flat(wanted, paths)[0]) as jar:  # what was altered is made again
        assert jar.testzip() is None
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_where_no_copy_can_be_written_the_jar_itself_is_used(wanted: Lock, tmp_path: Path) -> None:
    paths = [tmp_path / jar.file for jar in wanted.jars]
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "flat").write_text("in the way")
    assert flat(wanted, paths) == paths
