"""What a ResourceManager answers, read; what it is told, as it wants it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pilothouse.engines.hadoop.cluster import Cluster, Node, Queue, Resource, read_applications, read_nodes, read_queues
from pilothouse.errors import NotFound, Refused, Unavailable

MIB = 1 << 20
NODE = {
    "id": "127.0.0.2:49777", "nodeHostName": "127.0.0.2", "state": "RUNNING", "healthReport": "", "numContainers": 2,
    "usedMemoryMB": 512, "availMemoryMB": 1536, "usedVirtualCores": 2, "availableVirtualCores": 0,
}  # fmt: skip


class Answers(BaseHTTPRequestHandler):
    """A stand-in for a ResourceManager: answers by path, and notes what was asked."""

    said: dict[str, tuple[int, str]] = {}  # noqa: RUF012 - set by each test
    asked: list[tuple[str, str, Any]] = []  # noqa: RUF012

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.asked.append((self.command, self.path, json.loads(self.rfile.read(length)) if length else None))
        code, text = self.said.get(self.path.partition("?")[0].removeprefix("/ws/v1/cluster/"), (404, "{}"))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the base class's words

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def manager() -> Iterator[type[Answers]]:
    class Own(Answers):
        said: dict[str, tuple[int, str]] = {}  # noqa: RUF012
        asked: list[tuple[str, str, Any]] = []  # noqa: RUF012
        address = ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    Own.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield Own
    server.shutdown()
    server.server_close()


def test_a_node_has_what_is_used_and_what_is_free() -> None:
    assert read_nodes({"nodes": {"node": [NODE]}}) == [
        Node(
            "127.0.0.2:49777", "127.0.0.2", "RUNNING", Resource(2048 * MIB, 2), Resource(512 * MIB, 2), 2, "",
        )
    ]  # fmt: skip
    assert read_nodes({"nodes": None}) == []


def test_an_application_has_its_container_and_its_times() -> None:
    (found,) = read_applications(
        {
            "apps": {
                "app": [
                    {
                        "id": "application_1_0002", "user": "root", "name": "p-1", "queue": "root.default",
                        "state": "ACCEPTED", "finalStatus": "UNDEFINED", "diagnostics": "", "applicationTags": "a,b=1",
                        "applicationType": "PILOTHOUSE", "startedTime": 1795986500222, "launchTime": 0,
                        "amContainerLogs": "http://h:1/node/containerlogs/container_1_0002_01_000001/root",
                        "amHostHttpAddress": "n1.site:8042",
                    }
                ]
            }
        }
    )  # fmt: skip
    assert (found.host, found.container, found.launched) == ("n1.site", "container_1_0002_01_000001", None)
    assert found.submitted == datetime.fromtimestamp(1795986500.222, UTC)
    assert found.tags == {"a", "b=1"}
    assert read_applications({"apps": {}}) == []


def test_queues_of_all_schedulers_are_those_without_others_below() -> None:
    capacity = {
        "queueName": "root", "queuePath": "root", "queues": {
            "queue": [
                {"queueName": "a", "queuePath": "root.a", "queues": {"queue": [
                    {"queueName": "x", "queuePath": "root.a.x", "state": "STOPPED"}
                ]}},
                {"queueName": "default", "queuePath": "root.default", "state": "RUNNING"},
            ]
        },
    }  # fmt: skip
    fair = {"rootQueue": {"queueName": "root", "childQueues": {"queue": [{"queueName": "root.b"}]}}}
    assert read_queues({"scheduler": {"schedulerInfo": capacity}}) == [
        Queue("x", "root.a.x", False), Queue("default", "root.default", True)
    ]  # fmt: skip
    assert [queue.name for queue in read_queues({"scheduler": {"schedulerInfo": fair}})] == ["b"]
    assert read_queues({"scheduler": {"schedulerInfo": {"type": "fifoScheduler"}}}) == [
        Queue("default", "default", True)
    ]


def test_a_resource_manager_that_stands_by_is_passed_over(manager: type[Answers]) -> None:
    standby = "This is standby RM. The redirect url is: http://elsewhere/"
    manager.said = {"nodes": (200, json.dumps({"nodes": {"node": [NODE]}}))}
    nobody = "http://127.0.0.1:9"
    cluster = Cluster([nobody, manager.address], timeout=5)
    assert len(cluster.nodes()) == 1
    assert cluster.addresses == [manager.address, nobody]
    manager.said = {"nodes": (200, standby)}
    with pytest.raises(Unavailable, match="it stands by"):
        cluster.nodes()
    manager.said = {"nodes": (307, standby)}
    with pytest.raises(Unavailable, match="HTTP 307"):
        cluster.nodes()


def test_refusals_have_yarns_words_and_no_class_names(manager: type[Answers]) -> None:
    def exception(message: str) -> str:
        return json.dumps({"RemoteException": {"message": message}})

    cluster = Cluster([manager.address], timeout=5, user="me")
    manager.said = {
        "apps": (400, exception("org.apache.hadoop.yarn.exceptions.YarnException: no such queue: nowhere")),
        "apps/application_1_0001/state": (
            404,
            exception("java.lang.Exception: app with id: application_1_0001 not found"),
        ),
        "nodes": (401, "<html>Authentication required</html>"),
        "metrics": (500, "<html>oh</html>"),
    }
    with pytest.raises(Refused, match=r"^YARN: no such queue: nowhere$"):
        cluster.submit({"application-id": "application_1_0001"})
    with pytest.raises(NotFound, match="application_1_0001"):
        cluster.application("application_1_0001")
    cluster.kill("application_1_0001")
    cluster.kill("987654")
    with pytest.raises(Unavailable, match="another proof of who asks"):
        cluster.nodes()
    with pytest.raises(Unavailable, match="HTTP 500: oh"):
        cluster.metrics()
    told = [(method, path, body) for method, path, body in manager.asked if method == "PUT"]
    assert told == [("PUT", "/ws/v1/cluster/apps/application_1_0001/state?user.name=me", {"state": "KILLED"})]


def test_what_is_no_json_is_no_answer(manager: type[Answers]) -> None:
    manager.said = {"nodes": (200, "<html>Welcome</html>")}
    with pytest.raises(Unavailable, match="does not answer"):
        Cluster([manager.address], timeout=5).nodes()
