from __future__ import annotations

from pathlib import Path

from pilothouse.engines.jvm.archives import archive
from pilothouse.engines.jvm.command import command
from pilothouse.engines.jvm.java import Java

JAVA = Java(Path("/j/bin/java"), 17)


def test_heap_options_properties_and_arguments_are_where_java_takes_them() -> None:
    made = command(
        JAVA, [Path("/a.jar"), Path("/b")], "org.Main", "format", "-x",
        heap=512 << 20, options=["-XX:+UseSerialGC"], properties={"a.b": "c d"},
    )  # fmt: skip
    assert made[0] == "/j/bin/java"
    assert made[made.index("-cp") :] == ["-cp", "/a.jar:/b", "org.Main", "format", "-x"]
    assert {"-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-Da.b=c d"} < set(made[: made.index("-cp")])


def test_a_small_heap_begins_no_larger_than_it_may_become() -> None:
    made = command(JAVA, [], "M", heap=32 << 20)
    assert {"-Xms32m", "-Xmx32m"} < set(made)


def test_an_archive_that_is_not_there_is_not_asked_for(tmp_path: Path) -> None:
    missing = archive("none", [], JAVA)
    assert not any("SharedArchiveFile" in word for word in command(JAVA, [], "M", heap=1 << 30, archive=missing))
    assert f"-XX:SharedArchiveFile={tmp_path}" in command(JAVA, [], "M", heap=1 << 30, archive=tmp_path)
