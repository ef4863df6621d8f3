"""Services on a real local pilot, with an engine of the tests' own whose boards keep words."""

from __future__ import annotations

import pickle
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Conflict, Failed, InvalidInput, NotFound, Refused
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.service import Service
    from pilothouse.pilots import Pilot


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Iterator[Pilot]:
    """One of three nodes for the tests of this file; leave it as you found it."""
    with ph.submit("local", name="boards", nodes=3, lease="1h").wait(timeout=60) as made:
        yield made


@pytest.fixture
def board(pilot: Pilot) -> Iterator[Callable[..., Service]]:
    """Starts boards, which are stopped after the test."""
    started: list[Service] = []

    def start(**options: Any) -> Service:
        started.append(pilot.start("board", **options))
        return started[-1]

    yield start
    for service in started:
        service.stop()


def events(service: Service, what: str) -> list[dict[str, Any]]:
    return [event for event in service.events() if event["what"] == what]


def processes(service: Service) -> list[psutil.Process]:
    """The daemons of a service, which have their own address on their command line."""
    ports = {member["address"].rpartition(":")[2] for member in service.members if "address" in member}
    return [p for p in psutil.process_iter(["cmdline"]) if ports & set(p.info["cmdline"] or ())]


def words(service: Service) -> set[str]:
    return set(service.client()())


def test_a_service_comes_is_used_from_anywhere_and_leaves_nothing(pilot: Pilot, board: Callable[..., Service]) -> None:
    service = board(nodes=2)
    service.client()("ahoy")
    assert service.state == "running"
    assert service.reason == ""
    assert len(service.nodes) == 2
    assert set(ph.attach(service.name).client()()) == {"ahoy"}
    assert pickle.loads(pickle.dumps(service)).address == service.address
    assert service.name in [run.name for run in pilot.runs()]
    eventually(lambda: sum(each.get("words", 0.0) for each in service.metrics().values()) == 1.0, "figures")
    assert (service.folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert service.secrets["word"] not in repr(service) + service.record.model_dump_json() + str(service.members)
    addresses, daemons = service.address.split(","), processes(service)
    assert len(daemons) == 2
    scratch = [Path(p.cmdline()[-1]).parent for p in daemons]
    service.stop()
    assert (service.state, service.reason) == ("finished", "stopped")
    assert not [p for p in daemons if remains.is_running(p)]
    assert not [folder for folder in scratch if folder.exists()]
    for address in addresses:
        host, _, port = address.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)
    with pytest.raises(Failed, match="is finished: stopped"):
        service.extend()
    assert service.result() is None


def test_a_service_grows_and_gives_back_with_all_that_it_has(board: Callable[..., Service]) -> None:
    service = board(nodes=1)
    service.client()("first")
    service.extend(2).wait(timeout=60)
    assert len(service.nodes) == 3
    assert events(service, "admitted")[0]["newcomers"] == [2, 3]
    service.client()("last")  # on the latest board
    service.shrink(2).wait(timeout=60)
    assert len(service.nodes) == 1
    assert words(service) == {"first", "last"}
    with pytest.raises(Conflict, match=r"needs 1; stop\(\) ends it"):
        service.shrink()


def test_one_that_waits_for_a_node_says_so_and_takes_the_next(pilot: Pilot, board: Callable[..., Service]) -> None:
    service = board(nodes=3).wait(timeout=60)
    service.extend()
    eventually(lambda: "waits for a node" in service.reason, "the reason")
    assert service.state == "running"  # three serve on
    pilot.extend(1)
    service.wait(timeout=60)
    before = set(service.nodes)
    pilot.shrink(1)  # a node goes, and what it has is on the others before
    eventually(lambda: len(service.nodes) == 3, "one member less")
    eventually(lambda: sum(not node.state.ended for node in pilot.nodes) == 3, "one node less")
    assert set(service.nodes) < before


def test_what_can_not_be_handed_over_stays(board: Callable[..., Service]) -> None:
    service = board(nodes=2, keeps=True).wait(timeout=60)
    service.client()("kept")
    service.shrink()
    with pytest.raises(Failed, match="release: its words are not to be moved"):
        service.wait(timeout=60)
    assert len(service.nodes) == 2
    assert words(service) == {"kept"}
    service.extend().wait(timeout=60)  # another order, another chance
    assert "not to be moved" not in service.reason


def test_what_dies_is_started_again_where_its_words_are(board: Callable[..., Service]) -> None:
    service = board(nodes=1)
    service.client()("durable")
    (daemon,) = processes(service)
    daemon.kill()
    eventually(lambda: events(service, "daemon died"), "its end")
    assert events(service, "daemon died")[0]["code"] == -signal.SIGKILL
    eventually(lambda: _answers(service) == {"durable"}, "its words")
    address = service.address
    psutil.Process(processes(service)[0].ppid()).kill()  # the member; its node ends all that it had started
    eventually(lambda: events(service, "member died"), "the member's end")
    service.wait(timeout=60)
    assert (words(service), service.address) == ({"durable"}, address)


def _answers(service: Service) -> set[str]:
    try:
        return words(service)
    except OSError:
        return set()


def test_what_can_not_start_says_why(board: Callable[..., Service]) -> None:
    service = board(nodes=1, broken=1)
    with pytest.raises(Failed, match="board 1 does not want to"):
        service.wait(timeout=60)
    assert service.state == "failed"
    other = board(nodes=1, broken=2).wait(timeout=60)
    other.extend()
    with pytest.raises(Failed, match="board 2 does not want to"):
        other.wait(timeout=60)
    assert other.state == "running"
    assert len(other.nodes) == 1


def test_bad_input_starts_nothing(pilot: Pilot) -> None:
    before = len(ph.runs())
    with pytest.raises(InvalidInput, match=r"engine='hadoop-9': there is no such engine; there are: .*board") as caught:
        pilot.start("hadoop-9")
    assert caught.value.field == "engine"
    with pytest.raises(InvalidInput, match="slowly=1: board has no such setting; there are: slow, broken, keeps"):
        pilot.start("board", slowly=1)
    with pytest.raises(InvalidInput, match=r"slow=-1: .*greater than or equal to 0") as caught:
        pilot.start("board", slow=-1)
    assert caught.value.field == "slow"
    for nodes in (0, True, 1.5):
        with pytest.raises(InvalidInput, match="nodes=") as caught:
            pilot.start("board", nodes=nodes)
        assert caught.value.field == "nodes"
    with pytest.raises(InvalidInput, match="a board has 9 at most"):
        pilot.start("board", nodes=10)
    assert len(ph.runs()) == before


def test_a_site_may_have_no_engines(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.toml").write_text('[local]\nengines = ["kafka"]\n')
    monkeypatch.setenv("PILOTHOUSE_SITES", str(tmp_path / "site.toml"))
    with (
        ph.submit("local", name="none", lease="10m") as pilot,
        pytest.raises(Refused, match="engine='board': site 'local' lets pilots start only kafka"),
    ):
        pilot.start("board")


def test_orders_of_the_engine_and_logs_of_nodes(board: Callable[..., Service]) -> None:
    service = board(nodes=2).wait(timeout=60)
    service.client()("one", "two")
    assert service.order("count", by="me") == {"words": 0, "by": "me"}
    with pytest.raises(InvalidInput, match="Board does not do that"):
        service.order("erase")
    assert "board-1" in service.logs()
    assert service.logs(service.nodes[0]).startswith("== board-1")
    assert "board-2" not in service.logs(service.nodes[0])
    with pytest.raises(NotFound, match="never was there"):
        service.logs("boards-77")
    for n in (0, True, "2"):
        with pytest.raises(InvalidInput, match="n="):
            service.extend(n)  # type: ignore[arg-type]


def test_a_node_that_is_lost_is_followed_by_another(state_home: Path) -> None:
    with ph.submit("local", name="losing", nodes=2, lease="1h").wait(timeout=60) as pilot:
        service = pilot.start("board", nodes=2).wait(timeout=60)
        service.client()("here")  # on the latest board: the other one's node is lost
        lost = service.members[0]
        psutil.Process(next(node.pid for node in pilot.nodes if node.name == lost["node"])).kill()
        eventually(lambda: events(service, "made good"), "what the others do about it")
        service.wait(timeout=60)
        assert events(service, "made good")[0]["numbers"] == [lost["number"]]
        assert lost["node"] not in service.nodes
        assert words(service) == {"here"}
        supervisor = pilot.record.supervisor
        assert supervisor is not None
        psutil.Process(supervisor.pid).kill()  # the nodes of a local pilot end with it, and so do all boards
        eventually(lambda: pilot.state == "lost", "the pilot's loss")
        pilot.recover()
        with pytest.raises(Failed, match="was lost, and with it the words on it"):
            service.result(timeout=60)
