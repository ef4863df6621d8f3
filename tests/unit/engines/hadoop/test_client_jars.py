"""Which of Hadoop's jars a client takes."""

from __future__ import annotations

from pathlib import Path

from pilothouse.engines.hadoop.client_jars import installed


def test_an_installation_of_the_site_is_taken_where_it_is_whole(tmp_path: Path) -> None:
    client, library = tmp_path / "share/hadoop/client", tmp_path / "share/hadoop/common/lib"
    for folder in (client, library):
        folder.mkdir(parents=True)
    (client / "hadoop-client-api-3.4.1.jar").touch()
    (library / "slf4j-api-1.7.36.jar").touch()
    (library / "guava-27.jar").touch()
    assert installed(str(tmp_path)) == []
    (client / "hadoop-client-runtime-3.4.1.jar").touch()
    assert [path.name for path in installed(str(tmp_path))] == [
        "hadoop-client-api-3.4.1.jar", "hadoop-client-runtime-3.4.1.jar", "slf4j-api-1.7.36.jar",
    ]  # fmt: skip
    assert installed("") == []
