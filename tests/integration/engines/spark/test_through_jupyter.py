"""The pages of Spark's master, workers and applications through a real Jupyter server, and for nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pilothouse.engines.spark.pages import admission
from tests.ui.lab_server import PREFIX, lab_server
from tests.waiting import eventually

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pilothouse.engines.spark.service import SparkService

pytestmark = pytest.mark.engines("pyspark", "jupyterlab")

Get = Callable[..., tuple[int, str]]


@pytest.fixture
def get(service: SparkService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """``get("/user/alice/...")``: status, and the page or where it leads, for who is logged in."""
    with lab_server(tmp_path_factory.mktemp("jupyter")) as server:

        def get(path: str, token: str = server.token) -> tuple[int, str]:
            where = urlsplit(server.url)
            connection = HTTPConnection(where.hostname or "", where.port, timeout=60)
            connection.request("GET", path, headers={"Authorization": f"token {token}"})
            answer = connection.getresponse()
            body = answer.read().decode()
            connection.close()
            return answer.status, answer.headers["Location"] or body

        yield get


def test_they_are_below_the_master_s_with_all_links_there(
    service: SparkService, spark: SparkSession, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTHOUSE_SERVER", PREFIX)
    root = f"{PREFIX}pilothouse/services/{service.name}/dashboard"
    assert service.dashboard == f"{root}/"
    spark.range(10).count()
    application = spark.sparkContext.applicationId
    own = f"{root}/proxy/{application}"

    def page(path: str) -> str:
        status, body = get(path)
        assert status == 200, path
        absolute = re.findall(r"""(?:href|src)=["\'](/[^"\']*|http[^"\']*)""", body)
        assert [link for link in absolute if not link.startswith(f"{root}/")] == []
        return body

    master = page(f"{root}/")
    assert "Spark Master at" in master
    (worker, *_) = re.findall(rf"{root}/proxy/worker-[^/\"]*", master)
    assert "Spark Worker at" in page(f"{worker}/")
    assert f'"{own}"' in master
    assert get(own) == (302, f"{own}/jobs/")
    assert "Completed Jobs" in page(f"{own}/jobs/")
    assert get(f"{own}/static/executorspage.js")[0] == 200
    executors = json.loads(get(f"{own}/api/v1/applications/{application}/allexecutors")[1])
    (log, *_) = [each["executorLogs"]["stderr"] for each in executors if each["executorLogs"]]
    assert log.startswith(f"{root}/proxy/worker-")
    assert "stderr log page" in page(log)
    secret, shown = service.secrets["secret"], page(f"{own}/environment/")
    assert "spark.authenticate.secret" in shown
    assert secret not in shown
    assert admission(secret)["Authorization"] not in shown
    assert spark.conf.get("spark.ui.killEnabled") == "false"


def test_nobody_else_gets_them(service: SparkService, spark: SparkSession, get: Get) -> None:
    root = f"{PREFIX}pilothouse/services/{service.name}/dashboard"
    for path in (f"{root}/", f"{root}/json/", f"{root}/proxy/{spark.sparkContext.applicationId}/jobs/"):
        status, where = get(path, token="wrong")
        assert (status, "/login" in where) == (302, True)
    ui = spark.sparkContext.uiWebUrl
    assert ui is not None
    for address in (str(service.members[0]["pages"]), ui):
        where = urlsplit(address)
        assert where.hostname == "127.0.0.1"
        for headers, status in (({}, 403), (admission("5ec" * 20), 403), (admission(service.secrets["secret"]), 200)):
            connection = HTTPConnection(where.hostname, where.port, timeout=30)
            connection.request("GET", "/environment/", headers=headers)
            assert connection.getresponse().status == status
            connection.close()


def test_after_the_session_its_pages_are_gone_and_the_master_has_it_in_its_list(
    service: SparkService, spark: SparkSession, get: Get
) -> None:
    root = f"{PREFIX}pilothouse/services/{service.name}/dashboard"
    application = spark.sparkContext.applicationId
    spark.stop()
    eventually(lambda: get(f"{root}/proxy/{application}/jobs/")[0] != 200, "the end of its pages")
    status, page = get(f"{root}/")
    assert status == 200
    assert application in page
