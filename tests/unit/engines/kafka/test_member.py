"""A broker that can't begin says why, before any Java is started."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines.kafka.engine import Kafka
from pilothouse.engines.kafka.member import Broker
from pilothouse.engines.kafka.properties import Own
from pilothouse.engines.kafka.storage import format_folder, new_id
from pilothouse.errors import Failed, InvalidInput
from tests.waiting import eventually


class Place:
    """Stands in for a node: daemons are refused, for nothing here is to come so far."""

    engine, service, number, role, node, host, cores = "kafka", "kafka-1", 1, "controller", "n1", "127.0.0.1", 1
    stopping = False

    def __init__(self, scratch: Path, memory: int = 4 << 30, **settings: Any) -> None:
        values = Kafka().settings()(**settings)
        self.folder = self.scratch = scratch
        self.memory, self.settings = memory, values.model_dump(mode="json")
        self.secrets = dict(Kafka().secrets(values))
        self.members: Mapping[int, Mapping[str, Any]] = {1: {"number": 1, "role": "controller"}}
        self.published: dict[str, Any] = {}
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            self.free = {"broker": one.getsockname()[1], "controller": other.getsockname()[1]}

    def ports(self, *names: str) -> dict[str, int]:
        return {name: self.free[name] for name in names}

    def publish(self, **facts: Any) -> None:
        self.published.update(facts)

    def daemon(self, name: str, argv: Sequence[str], **options: Any) -> Any:
        raise AssertionError("started")

    def until(self, condition: Callable[[], Any], what: str, seconds: float) -> Any:
        return eventually(condition, what, seconds)


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds Java and jars has tests of its own."""
    monkeypatch.setattr("pilothouse.engines.kafka.member.java", lambda least: None)
    monkeypatch.setattr("pilothouse.engines.kafka.member.jars", lambda software: [])
    monkeypatch.setattr("pilothouse.engines.kafka.member.archive", lambda *_: None)
    monkeypatch.setattr("pilothouse.engines.kafka.member.PORT_S", 0.2)


def test_a_node_with_too_little_memory(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="needs 704 MiB with it, and the node n1 has 512 MiB"):
        Broker(Place(tmp_path, memory=512 << 20)).start()  # type: ignore[arg-type]


@pytest.mark.parametrize("which", ["broker", "controller"])
def test_a_port_that_somebody_has(tmp_path: Path, which: str) -> None:
    place = Place(tmp_path)
    with (
        socket.create_server(("127.0.0.1", place.free[which])),
        pytest.raises(Failed, match=f"port {place.free[which]} of 127.0.0.1 on n1 is in use"),
    ):
        Broker(place).start()  # type: ignore[arg-type]


def test_a_port_that_becomes_free_meanwhile_is_waited_for(tmp_path: Path) -> None:
    place = Place(tmp_path)
    broker = Broker(place)  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", place.free["broker"])), pytest.raises(Failed):
        broker._until_free("127.0.0.1", [place.free["broker"]])
    broker._until_free("127.0.0.1", [place.free["broker"]])


def test_data_of_another_cluster(tmp_path: Path) -> None:
    format_folder(tmp_path / "data", new_id(), 1, None)
    with pytest.raises(Failed, match="data of another cluster"):
        Broker(Place(tmp_path)).start()  # type: ignore[arg-type]


def test_files_with_passwords_are_their_owner_s_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    own = Own(1, "127.0.0.1", 1, 2, tmp_path / "data")
    Broker(place)._configure(own)  # type: ignore[arg-type]
    file = tmp_path / "server.properties"
    assert place.secrets["password"] in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_broker_begins_again_with_the_controllers_that_have_come_since(tmp_path: Path) -> None:
    place = Place(tmp_path)
    broker, own = Broker(place), Own(1, "127.0.0.1", 1, 2, tmp_path / "data")  # type: ignore[arg-type]
    broker._configure(own)
    place.members = {**place.members, 2: {"number": 2, "controller": "127.0.0.1:99"}}
    broker._configure(own)
    assert "bootstrap.servers=127.0.0.1:2,127.0.0.1:99\n" in (tmp_path / "server.properties").read_text()
