"""A member without its daemons: what a node offers, who takes the master over, what a worker follows."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines.jvm.java import Java
from pilothouse.engines.spark import install, member
from pilothouse.engines.spark.claims import Claim
from pilothouse.engines.spark.member import SparkMember
from pilothouse.errors import Failed, InvalidInput

GIB = 1 << 30


class StandInDaemon:
    """A process that is there until it is stopped."""

    def __init__(self, name: str, argv: list[str]) -> None:
        self.name, self.argv, self.code, self.expected = name, argv, None, False
        self.signals: list[int] = []

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def stop(self) -> None:
        self.code = 143


class StandInPlace:
    """A node without processes; members know of each other at once."""

    def __init__(self, number: int, folder: Path, members: dict[int, dict[str, Any]], **settings: Any) -> None:
        self.number, self.role, self.node, self.host = number, "worker", f"node-{number}", "127.0.0.1"
        self.cores, self.memory, self.folder = 4, 4 * GIB, folder
        self.scratch = folder / f"scratch-{number}"
        self.scratch.mkdir()
        self.settings = {"cores": None, "memory": None, "executor_memory": None, "daemon_memory": GIB, **settings}
        self.secrets = {"secret": "5ec" * 20}
        self.members = members
        self.stopping = False
        self.daemons: list[StandInDaemon] = []
        members[number] = {"number": number}

    def ports(self, *names: str) -> dict[str, int]:
        return {name: 20_000 + 10 * self.number + at for at, name in enumerate(names)}

    def daemon(self, name: str, argv: list[str], *, env: Mapping[str, str]) -> StandInDaemon:
        assert self.secrets["secret"] not in str(argv) + str(env)
        self.daemons.append(StandInDaemon(name, argv))
        return self.daemons[-1]

    def until(self, condition: Callable[[], Any], what: str, seconds: float) -> Any:
        return condition()

    def publish(self, **facts: Any) -> None:
        self.members[self.number].update(facts)

    def event(self, what: str, **details: Any) -> None:
        pass


Make = Callable[..., tuple[SparkMember, StandInPlace]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes members of one service, on nodes of their own; all pages answer that all is well."""
    (tmp_path / "pyspark" / "jars").mkdir(parents=True)
    monkeypatch.setattr(install, "home", lambda: tmp_path / "pyspark")
    monkeypatch.setattr(install, "version", lambda: "4.2.0")
    monkeypatch.setattr(member, "java", lambda least: Java(Path(sys.executable), 17))
    monkeypatch.setattr(member.SparkMember, "_counted", lambda self, claim: "counted")
    monkeypatch.setattr(member, "asked", lambda pages, secret: {"status": "ALIVE", "executors": []})
    known: dict[int, dict[str, Any]] = {}

    def made(number: int, **settings: Any) -> tuple[SparkMember, StandInPlace]:
        place = StandInPlace(number, tmp_path, known, **settings)
        return SparkMember(place), place  # type: ignore[arg-type]  # it needs no more of a place

    return made


def names(place: StandInPlace) -> list[str]:
    return [daemon.name for daemon in place.daemons]


def test_the_first_has_the_master_and_the_next_follow_it(make: Make) -> None:
    one, first = make(1)
    one.start()
    other, second = make(2)
    other.start()
    assert (names(first), names(second)) == (["master", "worker"], ["worker"])
    assert first.members[2]["master"] == first.members[1]["master"] == "spark://127.0.0.1:20010"
    assert '"spark://127.0.0.1:20010"' in (second.scratch / "worker.arguments").read_text()
    assert {key: first.members[2][key] for key in ("cores", "memory", "spark")} == {
        "cores": 4, "memory": 2 * GIB, "spark": "4.2.0"
    }  # fmt: skip


def test_secrets_are_in_files_of_the_user_alone(make: Make) -> None:
    one, place = make(1)
    one.start()
    found = [path for path in place.scratch.rglob("*") if path.is_file() and "5ec" in path.read_text()]
    assert sorted(path.parent.name for path in found) == ["master.conf", "worker.conf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


def test_when_the_master_is_lost_one_of_the_others_takes_over_and_the_rest_follow(make: Make) -> None:
    (one, first), (two, second), (three, third) = make(1), make(2), make(3)
    for each in (one, two, three):
        each.start()
    del first.members[1]
    two.lost([1])
    three.lost([1])
    assert (names(second), names(third)) == (["worker", "master"], ["worker"])
    assert second.members[2]["term"] == 2
    three.metrics = dict  # type: ignore[method-assign]  # the pages of a stand-in have no figures
    three._follow()
    assert '"spark://127.0.0.1:20020"' in (third.scratch / "worker.arguments").read_text()


def test_one_whose_turn_it_is_not_takes_nothing_over(make: Make) -> None:
    (one, first), (two, _) = make(1), make(2)
    one.start()
    two.start()
    del first.members[2]
    one.lost([2])
    one.forget([2])
    one.release(2, 10.0)
    assert names(first) == ["master", "worker"]
    assert one._claims.latest() == Claim(1, 1)


def test_a_master_moves_before_its_node_goes(make: Make) -> None:
    (one, first), (two, second) = make(1), make(2)
    one.start()
    two.start()
    two.release(1, 10.0)
    assert names(second) == ["worker", "master"]
    one.leave(10.0)
    assert first.daemons[0].code is not None  # the old master, which knows nothing of what is new
    assert first.daemons[1].signals == [member.DECOMMISSION]
    assert first.members[1]["leads"] is False


def test_a_master_that_does_not_come_up_changes_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, first), (two, second) = make(1), make(2)
    one.start()
    two.start()

    def never(condition: object, what: str, seconds: float) -> None:
        raise Failed(what)

    with monkeypatch.context() as patch, pytest.raises(Failed, match="Spark's master"):
        patch.setattr(second, "until", never)
        two.release(1, 10.0)
    assert second.daemons[-1].code is not None
    assert one._claims.latest() == Claim(1, 1)
    assert first.members[2]["term"] == 1
    again = SparkMember(first)  # type: ignore[arg-type]  # as above; the process of the member that has the master
    assert again._settled() == Claim(1, 1)


def test_a_newcomer_takes_over_where_all_others_are_gone(make: Make) -> None:
    one, first = make(1)
    one.start()
    del first.members[1]
    other, second = make(2)
    other.start()
    assert names(second) == ["master", "worker"]
    assert second.members[2]["term"] == 2


def test_a_master_that_is_started_again_where_it_was_is_the_same_one(make: Make) -> None:
    one, place = make(1)
    one.start()
    again = SparkMember(place)  # type: ignore[arg-type]  # as above
    again.start()
    assert names(place) == ["master", "worker"] * 2
    assert again._claims.latest() == Claim(1, 1)


def test_a_node_has_what_the_settings_say_or_half_of_its_memory(make: Make) -> None:
    assert make(1)[0].share() == (4, 2 * GIB)
    assert make(2, cores=2, memory=GIB)[0].share() == (2, GIB)
    small, place = make(3)
    place.memory = GIB // 2
    with pytest.raises(InvalidInput, match=r"memory=256 MiB for executors on node-3, which has 512 MiB"):
        small.share()
