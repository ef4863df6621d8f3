"""What is looked at before a session is opened: versions, what is open already, what is left of others."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.engines.spark import install, session
from pilothouse.engines.spark.clusters import Cluster, standalone
from pilothouse.engines.spark.pages import FILTER
from pilothouse.errors import Conflict, InvalidInput, Unavailable

HERE = Cluster(
    name="spark-1", created=datetime(2026, 1, 1, tzinfo=UTC), address="spark://127.0.0.1:7077", spark="4.2.0",
    python=platform.python_version(), interpreter=sys.executable, memory=1 << 30,
    own=standalone("spark://127.0.0.1:7077", "s3"), conf={"spark.task.cpus": "1"},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "version_of", lambda name: "4.2.0")


def test_versions_must_be_those_of_the_nodes() -> None:
    session.check_versions(HERE)
    with pytest.raises(Unavailable, match=r"pyspark is 4.2.0 here and 4.1.3 on the nodes.*pyspark==4.1.3"):
        session.check_versions(replace(HERE, spark="4.1.3"))
    with pytest.raises(Unavailable, match=r"Python is .* here and 3.8.1 on the nodes"):
        session.check_versions(replace(HERE, python="3.8.1"))
    same_minor = ".".join([*platform.python_version().split(".")[:2], "99"])
    session.check_versions(replace(HERE, python=same_minor))


def test_an_old_or_missing_pyspark_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "version_of", lambda name: "3.5.1")
    with pytest.raises(Unavailable, match=r"pyspark 3.5.1 is installed; 4.0 or newer is needed: pip install"):
        install.version()

    def missing(name: str) -> str:
        raise install.PackageNotFoundError(name)

    monkeypatch.setattr(install, "version_of", missing)
    with pytest.raises(Unavailable, match=r"pyspark is not installed: pip install"):
        install.home()


def opened(conf: dict[str, str], *, kafka: bool = False) -> Any:
    return session._Open(HERE, conf, kafka, SimpleNamespace(), Path())  # type: ignore[arg-type]  # not looked at


def test_a_process_has_one_session() -> None:
    there = opened({"spark.task.cpus": "1"})
    session.check_same(there, HERE, {}, kafka=False)
    session.check_same(there, HERE, {"spark.task.cpus": "1"}, kafka=False)
    with pytest.raises(Conflict, match=r"has another spark.task.cpus; end it first: spark.stop\(\)") as caught:
        session.check_same(there, HERE, {"spark.task.cpus": "2"}, kafka=False)
    assert caught.value.field == "conf"
    with pytest.raises(Conflict, match="has a session with 'spark-1', and can have one"):
        session.check_same(there, replace(HERE, name="spark-2"), {}, kafka=False)
    with pytest.raises(Conflict, match="has a session with 'spark-1'"):  # one of that name that is gone
        session.check_same(there, replace(HERE, created=datetime(2026, 2, 2, tzinfo=UTC)), {}, kafka=False)
    with pytest.raises(Conflict, match="without kafka=True"):
        session.check_same(there, HERE, {}, kafka=True)
    session.check_same(opened({}, kafka=True), HERE, {}, kafka=True)


def test_what_is_no_property_is_refused_before_anything_is_started() -> None:
    with pytest.raises(InvalidInput, match=r"conf: 'cpus' is no property") as caught:
        session.checked({"cpus": 2})
    assert caught.value.field == "conf"


def test_a_driver_binds_where_the_nodes_reach_it_and_the_users_options_are_added(tmp_path: Path) -> None:
    assert session.reachable("spark://127.0.0.1:7077") == "127.0.0.1"
    found = session.all_of(HERE, tmp_path, {"spark.driver.extraJavaOptions": "-Dmine=1", "spark.task.cpus": "2"})
    assert found["spark.driver.host"] == found["spark.driver.bindAddress"] == "127.0.0.1"
    assert found["spark.ui.filters"] == FILTER
    assert found["spark.task.cpus"] == "2"
    assert found["spark.executor.memory"] == "1024m"
    assert found["spark.driver.extraJavaOptions"].endswith(f"-Djava.io.tmpdir={tmp_path} -Dmine=1")
    assert "s3" not in found["spark.driver.extraJavaOptions"] + found["spark.executor.extraJavaOptions"]


def test_what_killed_processes_left_is_removed_and_that_of_others_is_not() -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    temporary = Path(tempfile.gettempdir())
    left = temporary / f"pilothouse-spark-{os.getuid()}-{dead.pid}-x"
    alive = temporary / f"pilothouse-spark-{os.getuid()}-{os.getppid()}-x"
    left.mkdir()
    alive.mkdir()
    try:
        own = session.own_folder()
        assert own.stat().st_mode & 0o777 == 0o700
        own.rmdir()
        assert not left.exists()
        assert alive.exists()
    finally:
        alive.rmdir()


def test_an_interrupt_while_a_driver_starts_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def interrupted(name: str) -> None:
        started.append(subprocess.Popen(["sleep", "60"], env=dict(os.environ)))  # as pyspark does, and is stopped there
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "check_none_of_others", lambda name: None)
    monkeypatch.setattr(session, "own_folder", lambda: tmp_path)
    monkeypatch.setattr(session, "_end_machine", lambda: None)
    monkeypatch.setattr(session, "_session", interrupted)
    monkeypatch.setattr(install, "home", lambda: tmp_path)
    before = dict(os.environ)
    with pytest.raises(KeyboardInterrupt):
        session.opened(HERE, {})
    started[0].wait(timeout=10)  # it was ended
    assert not tmp_path.exists()
    assert dict(os.environ) == before
