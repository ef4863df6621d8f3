"""YARN among the sites: where its configuration is, it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.engines.hadoop.cluster import Cluster, Node, Queue, Resource
from pilothouse.engines.hadoop.configuration import write
from pilothouse.engines.hadoop.site import SiteYARN
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.pilots.queues.discovery import site_named, sites
from pilothouse.pilots.sites.interfaces import loopback, supervisor_address


def folder(path: Path, port: int) -> Path:
    """A configuration of a ResourceManager that is not there."""
    write(path, "yarn-site", {"yarn.resourcemanager.webapp.address": f"127.0.0.1:{port}"})
    return path


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no other batch system
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)


def test_it_is_a_site_where_the_environment_names_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [site.name for site in sites()] == ["local"]
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder(tmp_path / "one", 9)))
    (found,) = [site for site in sites() if site.name == "yarn"]
    assert found.conf_dir == str(tmp_path / "one")
    assert "http://127.0.0.1:9:" in found.trouble


def test_site_files_name_others_and_each_is_asked_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder(tmp_path / "one", 9)))
    other = folder(tmp_path / "other", 7)
    (tmp_path / "sites.toml").write_text(
        f'[other]\nsystem = "yarn"\nconf_dir = "{other}"\n[none]\nsystem = "yarn"\nconf_dir = "/none"\n'
    )
    monkeypatch.setenv("PILOTHOUSE_SITES", str(tmp_path / "sites.toml"))
    found = {site.name: site for site in sites()}
    assert found["other"].conf_dir == str(other)
    assert "http://127.0.0.1:7:" in found["other"].trouble
    assert "http://127.0.0.1:9:" in found["yarn"].trouble
    assert "no yarn-site.xml" in found["none"].trouble


def test_without_any_configuration_a_site_says_what_is_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sites.toml").write_text('[hadoop]\nsystem = "yarn"\n')
    monkeypatch.setenv("PILOTHOUSE_SITES", str(tmp_path / "sites.toml"))
    with pytest.raises(Unavailable, match="neither does HADOOP_CONF_DIR say how it is reached, nor conf_dir"):
        site_named("hadoop")


def node(host: str, state: str = "RUNNING") -> Node:
    return Node(f"{host}:1", host, state, Resource(0, 0), Resource(0, 0), 0, "")


@pytest.mark.parametrize(
    ("nodes", "inside"),
    [
        ([node("127.0.0.1"), node("localhost")], True),
        ([node("127.0.0.1"), node("192.0.2.9")], False),
        ([node("127.0.0.1"), node("192.0.2.9", "LOST")], True),
        ([node("127.0.0.1"), node("host.invalid")], False),
        ([], False),  # who knows where they will be
    ],
)
def test_nodes_of_a_cluster_on_loopback_listen_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: list[Node], inside: bool
) -> None:
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder(tmp_path / "one", 9)))
    monkeypatch.setattr(Cluster, "nodes", lambda _: nodes)
    monkeypatch.setattr(Cluster, "queues", lambda _: [Queue("default", "root.default", True)])
    monkeypatch.setattr(Cluster, "new_application", lambda _: ("application_1_0001", Resource(1 << 30, 2)))
    site = site_named("yarn")
    assert site.interface == (loopback() if inside else "")
    if inside:
        assert supervisor_address(site, in_job=False) == "127.0.0.1"


def test_one_of_a_site_is_asked_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        SiteYARN(folder(tmp_path / "one", 9))
    with pytest.raises(InvalidInput, match="conf_dir"):
        SiteYARN(tmp_path)
