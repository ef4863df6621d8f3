"""What a site's folder of Hadoop's configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.engines.hadoop.cluster import Cluster
from pilothouse.engines.hadoop.conf_dir import conf_dir, properties, resource_managers
from pilothouse.engines.hadoop.configuration import write
from pilothouse.errors import InvalidInput, Unavailable


def test_names_in_values_are_resolved_in_the_order_of_the_files(tmp_path: Path) -> None:
    write(tmp_path, "core-site", {"master": "one", "fs.defaultFS": "hdfs://${master}:${port}", "port": 9})
    write(tmp_path, "yarn-site", {"yarn.resourcemanager.hostname": "${master}", "port": 10, "own": "${own}"})
    said = properties(tmp_path)
    assert said["fs.defaultFS"] == "hdfs://one:10"
    assert said["own"] == "${own}"
    assert resource_managers(said) == ["http://one:8088"]


def test_of_two_resource_managers_both_are_known(tmp_path: Path) -> None:
    write(
        tmp_path,
        "yarn-site",
        {
            "yarn.resourcemanager.ha.enabled": True,
            "yarn.resourcemanager.ha.rm-ids": "rm1, rm2",
            "yarn.resourcemanager.hostname.rm1": "one",
            "yarn.resourcemanager.webapp.https.address.rm2": "two:9",
            "yarn.http.policy": "HTTPS_ONLY",
        },
    )
    assert resource_managers(properties(tmp_path)) == ["https://one:8090", "https://two:9"]


def test_an_address_for_all_interfaces_is_this_host(tmp_path: Path) -> None:
    write(tmp_path, "yarn-site", {})
    assert resource_managers(properties(tmp_path)) == ["http://127.0.0.1:8088"]


def test_a_file_that_is_torn_is_named(tmp_path: Path) -> None:
    (tmp_path / "yarn-site.xml").write_text("<configuration><property>")
    with pytest.raises(Unavailable, match=r"yarn-site\.xml can't be read"):
        properties(tmp_path)


def test_without_a_folder_its_variable_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    with pytest.raises(InvalidInput, match="set HADOOP_CONF_DIR"):
        conf_dir()
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"no yarn-site\.xml"):
        conf_dir()
    write(tmp_path, "yarn-site", {})
    assert conf_dir() == tmp_path


def test_kerberos_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    write(tmp_path, "yarn-site", {})
    write(tmp_path, "core-site", {"hadoop.security.authentication": "kerberos"})
    with pytest.raises(Unavailable, match="Kerberos"):
        Cluster.of(tmp_path)
