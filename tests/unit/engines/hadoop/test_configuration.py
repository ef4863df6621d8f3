from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from pilothouse.engines.hadoop.configuration import write, write_logging


def test_values_are_written_as_hadoop_reads_them(tmp_path: Path) -> None:
    write(tmp_path / "conf", "core-site", {"a.b": True, "c": 5, "d": Path("/x&y"), "e": "<&>"})
    root = ElementTree.parse(tmp_path / "conf" / "core-site.xml").getroot()
    assert root.tag == "configuration"
    found = {each.findtext("name"): each.findtext("value") for each in root.findall("property")}
    assert found == {"a.b": "true", "c": "5", "d": "/x&y", "e": "<&>"}


def test_the_folder_and_its_files_are_the_users_alone(tmp_path: Path) -> None:
    write(tmp_path / "conf", "hdfs-site", {})
    write_logging(tmp_path / "conf")
    assert (tmp_path / "conf").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "conf").iterdir()} == {0o600}
