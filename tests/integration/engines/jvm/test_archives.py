"""Class-data archives of a program of a few classes, by a real Java."""

from __future__ import annotations

import concurrent.futures
import gzip
import subprocess
import zipfile
from pathlib import Path

import pytest

from pilothouse.engines.jvm import archives
from pilothouse.engines.jvm.archives import Archive, archive
from pilothouse.engines.jvm.command import command
from pilothouse.engines.jvm.jars import jars
from pilothouse.engines.jvm.java import Java, java

#: Has a main() that prints its arguments' meaning and ends; of the jars of Kafka.
MAIN = "org.apache.logging.log4j.core.Version"


@pytest.fixture(scope="module")
def host() -> Java:
    return java()


@pytest.fixture(scope="module")
def path() -> list[Path]:
    return [jar for jar in jars("kafka") if jar.name.startswith("log4j-")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PILOTHOUSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(archives, "CLASSES", tmp_path / "classes")
    (tmp_path / "classes").mkdir()
    listed = "java/lang/Object id: 0\norg/apache/logging/log4j/core/Version id: 1000\n"
    (tmp_path / "classes" / "log4j.gz").write_bytes(gzip.compress(listed.encode()))
    return tmp_path / "cache" / "archives"


def run(host: Java, path: list[Path], *options: str, archive: Archive | None = None) -> str:
    line = command(host, path, MAIN, heap=64 << 20, options=options, archive=archive)
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout


def from_archive(host: Java, path: list[Path], made: Archive | None) -> bool:
    loaded = run(host, path, "-Xlog:class+load", archive=made)
    return any(MAIN in line and "shared objects file" in line for line in loaded.splitlines())


def test_it_is_made_from_a_list_and_used(host: Java, path: list[Path], cache: Path) -> None:
    made = archive("log4j", path, host)
    assert not made.there
    assert made.options_to_use == []
    assert made.make()
    assert made.there
    assert from_archive(host, path, made)
    assert [each.name for each in cache.iterdir()] == [made.path.name]


def test_what_comes_after_the_jars_does_no_harm(host: Java, path: list[Path], tmp_path: Path) -> None:
    made = archive("log4j", path, host)
    made.make()
    (tmp_path / "configuration").mkdir()
    assert from_archive(host, [*path, tmp_path / "configuration"], made)


def test_it_is_made_by_a_run_where_there_is_no_list(host: Java, path: list[Path]) -> None:
    made = archive("other", path, host)
    assert not made.make()
    assert made.make(lambda options: run(host, path, *options))
    assert from_archive(host, path, made)


def test_several_make_it_at_once(host: Java, path: list[Path], cache: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda _: archive("log4j", path, host).make(), range(3)))
    assert len(list(cache.iterdir())) == 1


def test_other_jars_have_another(host: Java, path: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.jar"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("a", "b")
    assert archive("log4j", [*path, other], host).path != archive("log4j", path, host).path


def test_half_of_one_is_not_kept(host: Java, path: list[Path], cache: Path) -> None:
    whole = archive("log4j", path, host)
    whole.make()
    half = archive("half", path, host)
    (option, *_) = half.options_to_make
    Path(option.partition("=")[2]).write_bytes(whole.path.read_bytes()[: whole.path.stat().st_size // 2])
    assert not half.keep()
    assert not half.there
    assert len(list(cache.iterdir())) == 1


def test_one_of_another_class_path_is_not_used_without_a_word(host: Java, path: list[Path], tmp_path: Path) -> None:
    made = archive("log4j", path, host)
    made.make()
    other = Archive("log4j", path[::-1], host)
    other.path = made.path
    line = command(host, path[::-1], MAIN, heap=64 << 20, archive=other)
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == run_stderr(host, path[::-1])


def run_stderr(host: Java, path: list[Path]) -> str:
    line = command(host, path, MAIN, heap=64 << 20)
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stderr
