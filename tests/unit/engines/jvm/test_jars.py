from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engines.jvm import lock as lock_module
from pilothouse.engines.jvm import verified
from pilothouse.engines.jvm.jars import fetch, found, jars
from pilothouse.errors import InvalidInput, Unavailable, Untrusted

NAMES = ("one", "two", "three")


class Repository:
    """A Maven repository on loopback: what it is asked for, and what it has."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.folder = folder
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def path(self, name: str) -> Path:
        return self.folder / "org" / "toy" / name / "1.0" / f"{name}-1.0.jar"

    @property
    def fetched(self) -> list[str]:
        return [path for path in self.asked if path.endswith(".jar")]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """One with three jars, pinned as the software ``toy``; the user's jgo settings name it instead of jgo's own."""
    made = Repository(tmp_path / "repository")
    locked = []
    for name in NAMES:
        data = name.encode() * 1000
        made.path(name).parent.mkdir(parents=True)
        made.path(name).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        locked.append(
            {"coordinates": f"org.toy:{name}:1.0", "file": f"{name}-1.0.jar", "size": len(data), "sha256": sha256}
        )
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "toy.json").write_text(json.dumps({"version": "1.0", "roots": [], "jars": locked}))
    monkeypatch.setattr(lock_module, "FOLDER", locks)
    lock_module.lock.cache_clear()
    settings(tmp_path, monkeypatch, made.url)
    monkeypatch.setenv("PILOTHOUSE_CACHE", str(tmp_path / "cache"))
    yield made
    made.server.shutdown()
    made.server.server_close()
    lock_module.lock.cache_clear()


def settings(home: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HOME", str(home))
    (home / ".jgorc").write_text(f"[repositories]\ncentral = {url}\n")


def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "jars" / "toy-1.0"


def test_they_are_fetched_once_and_in_the_order_of_the_lock(repository: Repository, tmp_path: Path) -> None:
    assert not found("toy")
    paths = jars("toy")
    assert paths == [folder(tmp_path) / f"{name}-1.0.jar" for name in NAMES]
    assert [path.read_bytes()[:3] for path in paths] == [b"one", b"two", b"thr"]
    assert found("toy")
    assert sorted(os.listdir(folder(tmp_path))) == sorted(f"{name}-1.0.jar" for name in NAMES)
    repository.asked.clear()
    assert jars("toy") == paths
    assert not repository.asked


def test_what_is_known_is_not_reckoned_again(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    jars("toy")
    monkeypatch.setattr(verified, "sha256", lambda path: pytest.fail(f"{path} is read again"))
    assert found("toy")


def test_only_what_is_missing_is_fetched(repository: Repository, tmp_path: Path) -> None:
    jars("toy")
    (folder(tmp_path) / "two-1.0.jar").unlink()
    repository.asked.clear()
    assert not found("toy")
    jars("toy")
    assert repository.fetched == ["/org/toy/two/1.0/two-1.0.jar"]


def test_one_that_was_altered_is_named_and_fetched_again(repository: Repository, tmp_path: Path) -> None:
    path = jars("toy")[1]
    before = path.stat()
    path.write_bytes(b"owt" * 1000)  # of the same size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # and of the same time
    assert not found("toy")
    said: list[str] = []
    assert fetch("toy", said.append)[1].read_bytes() == b"two" * 1000
    assert f"{path} is not what it should be" in said[0]
    assert found("toy")


def test_what_comes_altered_is_not_used(repository: Repository, tmp_path: Path) -> None:
    repository.path("two").write_bytes(b"bad" * 1000)
    with pytest.raises(Untrusted, match=r"two-1\.0\.jar: what was fetched has SHA-256"):
        jars("toy")
    assert not found("toy")
    assert "two-1.0.jar" not in os.listdir(folder(tmp_path))
    assert not list(folder(tmp_path).glob(".*"))
    assert repository.fetched.count("/org/toy/two/1.0/two-1.0.jar") == 2  # transfers break: it was tried again


def test_without_a_network_the_remedies_are_named(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings(tmp_path, monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(Unavailable) as raised:
            jars("toy")
    for words in ("org.toy:one:1.0 can't be fetched", "pilothouse engines fetch", "PILOTHOUSE_JARS"):
        assert words in str(raised.value)
    assert not list(folder(tmp_path).glob("*"))


def test_what_is_there_needs_no_network(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars("toy")
    settings(tmp_path, monkeypatch, "http://127.0.0.1:9")
    assert len(jars("toy")) == 3


def test_several_may_fetch_at_once(repository: Repository) -> None:
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: jars("toy"), range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert found("toy")


def test_an_administrators_folder_wins(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("toy", folder=tmp_path / "site")
    for path in (tmp_path / "site" / "toy-1.0").iterdir():
        path.chmod(0o444)
    monkeypatch.setenv("PILOTHOUSE_JARS", str(tmp_path / "site"))
    repository.asked.clear()
    assert found("toy")
    assert {path.parent for path in jars("toy")} == {tmp_path / "site" / "toy-1.0"}
    assert not repository.asked
    assert not folder(tmp_path).exists()


def test_an_administrators_folder_with_an_altered_jar_is_not_used(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = fetch("toy", folder=tmp_path / "site")[2]
    altered.write_bytes(b"x" * 5000)
    monkeypatch.setenv("PILOTHOUSE_JARS", str(tmp_path / "site"))
    with pytest.warns(UserWarning, match=r"is not used: three-1\.0\.jar is not what toy 1\.0 needs"):
        assert {path.parent for path in jars("toy")} == {folder(tmp_path)}
    assert altered.read_bytes() == b"x" * 5000  # it is theirs


def test_a_folder_that_can_not_be_made_is_named(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PILOTHOUSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(Unavailable, match="can't be written: Not a directory; PILOTHOUSE_CACHE names another"):
        jars("toy")


def test_an_unknown_name_is_refused_with_those_there_are(repository: Repository) -> None:
    with pytest.raises(InvalidInput, match=r"name='tyo': no jars are known by that name; there are: toy"):
        jars("tyo")


@pytest.mark.parametrize(("software", "number"), [("kafka", 45), ("hadoop", 10), ("spark-kafka", 5)])
def test_what_is_pinned_is_whole(software: str, number: int) -> None:
    wanted = lock_module.lock(software)
    assert len({jar.file for jar in wanted.jars}) == len(wanted.jars) == number
    for jar in wanted.jars:
        _, artifact, version = jar.coordinates.split(":")
        assert jar.file == f"{artifact}-{version}.jar"
        assert len(jar.sha256) == 64
        assert jar.size > 0
