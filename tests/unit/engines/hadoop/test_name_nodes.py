"""Where a site's configuration says that its NameNodes are, and which of them serves."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines.hadoop import name_nodes
from pilothouse.engines.hadoop.configuration import write
from pilothouse.engines.hadoop.site import SiteHDFS
from pilothouse.engines.hadoop.yarn_settings import YARNSettings, default_file_system, file_system
from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.registry.line.tls import make_certificate
from tests.unit.engines.hadoop.daemons import FakeHDFS

PAIR = {
    "dfs.nameservices": "far, ours", "dfs.ha.namenodes.ours": "nn1, nn2",
    "dfs.namenode.rpc-address.ours.nn1": "one:8020", "dfs.namenode.rpc-address.ours.nn2": "two:8020",
    "dfs.namenode.http-address.ours.nn1": "one:9", "dfs.namenode.https-address.ours.nn2": "0.0.0.0:8",
}  # fmt: skip


def folder(path: Path, default: str, **hdfs: Any) -> Path:
    write(path, "core-site", {"fs.defaultFS": default})
    write(path, "hdfs-site", hdfs)
    return path


@pytest.mark.parametrize(
    ("default", "said", "pages"),
    [
        ("hdfs://one:9000", {}, ["http://one:9870"]),
        ("hdfs://one", {"dfs.namenode.http-address": "0.0.0.0:50070"}, ["http://one:50070"]),
        ("hdfs://one", {"dfs.namenode.http-address": "${web}:7", "web": "pages"}, ["http://pages:7"]),
        ("hdfs://one", {"dfs.http.policy": "HTTPS_ONLY"}, ["https://one:9871"]),
        ("hdfs://one", {"dfs.http.policy": "HTTP_AND_HTTPS"}, ["http://one:9870"]),
        ("hdfs://ours", PAIR, ["http://one:9", "http://two:9870"]),
        ("hdfs://ours", {**PAIR, "dfs.http.policy": "HTTPS_ONLY"}, ["https://one:9871", "https://two:8"]),
        (
            "hdfs://one:8020",  # one of two file systems
            {"dfs.nameservices": "a,b", "dfs.namenode.rpc-address.b": "one:8020", "dfs.namenode.http-address.b": "x:5"},
            ["http://x:5"],
        ),
        ("hdfs://b", {"dfs.nameservices": "a,b", "dfs.namenode.rpc-address.b": "one:8020"}, ["http://one:9870"]),
    ],
)
def test_the_pages_are_where_hadoop_has_them(
    tmp_path: Path, default: str, said: dict[str, str], pages: list[str]
) -> None:
    assert name_nodes.of(folder(tmp_path, default, **said)) == (default, pages)


@pytest.mark.parametrize(
    ("default", "said", "words"),
    [
        ("viewfs://all", {}, "fs.defaultFS is 'viewfs://all'"),
        ("", {}, "fs.defaultFS is not said"),
        (
            "hdfs://ours",
            {"dfs.nameservices": "ours", "dfs.ha.namenodes.ours": "nn1"},
            r"lacks .*rpc-address\.ours\.nn1",
        ),
    ],
)
def test_what_is_no_hdfs_is_refused(tmp_path: Path, default: str, said: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        SiteHDFS(folder(tmp_path, default, **said))


def test_a_wrong_folder_or_certificates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no core-site\.xml"):
        SiteHDFS(tmp_path)
    with pytest.raises(InvalidInput, match="ca_file"):
        SiteHDFS(folder(tmp_path, "hdfs://one"), ca_file=tmp_path / "core-site.xml")


def test_kerberos_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    write(tmp_path, "core-site", {"fs.defaultFS": "hdfs://one", "hadoop.security.authentication": "kerberos"})
    with pytest.raises(Unavailable, match="Kerberos"):
        SiteHDFS(tmp_path)


def test_where_nothing_answers_each_is_named_with_its_reason(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        made = folder(tmp_path, "hdfs://ours", **{**PAIR, "dfs.ha.namenodes.ours": "nn1",
                      "dfs.namenode.http-address.ours.nn1": at})  # fmt: skip
        with pytest.raises(Unavailable, match=f"no NameNode of this HDFS serves .http://{at}: .*refused"):
            SiteHDFS(made)


def test_of_two_the_active_one_is_asked_and_its_client_knows_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HADOOP_USER_NAME", raising=False)
    with FakeHDFS.serving() as first, FakeHDFS.serving() as second:
        pages = {
            f"dfs.namenode.http-address.ours.nn{number}": hdfs.pages.removeprefix("http://")
            for number, hdfs in enumerate((first, second), 1)
        }
        made, first.standby = folder(tmp_path, "hdfs://ours", **PAIR | pages), True
        hdfs = SiteHDFS(made)
        assert (hdfs.address, hdfs.web, hdfs.conf_dir) == ("hdfs://ours", second.pages, tmp_path)
        files = hdfs.client()
        assert files.user == getpass.getuser()
        first.standby, second.standby = False, True
        assert files.info("/x")["size"] == 100
        assert hdfs.web == first.pages
        first.standby = True
        with pytest.raises(Unavailable, match=f"{first.pages}: it stands by; {second.pages}: it stands by"):
            SiteHDFS(made)


def test_one_that_speaks_https_alone_is_believed_by_its_certificate(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path)
    with FakeHDFS.serving(tls["tls_cert"], tls["tls_key"]) as far:
        far.add_datanode(most=30)
        far.add_datanode()
        at = far.pages.removeprefix("https://")
        said = {"dfs.http.policy": "HTTPS_ONLY", "dfs.namenode.https-address": at}
        made = folder(tmp_path, "hdfs://127.0.0.1", **said)
        with pytest.raises(Unavailable, match="certificate"):
            SiteHDFS(made)
        files = SiteHDFS(made, ca_file=tls["tls_cert"]).client()
        assert files.cat_file("/x") == far.data
        files.pipe_file("/x", b"written")
        assert far.data == b"written"


def test_a_site_s_may_be_the_default_of_a_yarn(tmp_path: Path) -> None:
    made = folder(tmp_path, "hdfs://ours", **PAIR)
    (said,) = {YARNSettings(hdfs=given).hdfs for given in (str(made), made)}
    assert said == file_system(said) == str(made)
    url, rest = default_file_system(said)
    assert url == "hdfs://ours"
    assert rest == PAIR
    assert default_file_system("hdfs://one:1") == ("hdfs://one:1", {})
    with pytest.raises(InvalidInput, match=r"no core-site\.xml"):
        file_system(str(tmp_path / "none"))
