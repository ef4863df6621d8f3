"""Roles, what is lost with whom, and what is refused before anything is launched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.engines.kafka import kept
from pilothouse.engines.kafka.engine import Kafka
from pilothouse.engines.kafka.quorum import wanted
from pilothouse.errors import InvalidInput


@pytest.mark.parametrize(("nodes", "controllers"), [(1, 1), (2, 1), (3, 3), (5, 3)])
def test_one_votes_or_three_do(nodes: int, controllers: int) -> None:
    roles: list[str] = []
    for _ in range(nodes):
        roles.append(Kafka().role(roles, nodes))
    assert roles == ["controller"] * controllers + ["broker"] * (nodes - controllers)


def test_a_service_that_grows_to_three_gets_more_controllers() -> None:
    assert Kafka().role(["controller"], 3) == "controller"
    assert Kafka().role(["controller"], 2) == "broker"


def test_with_the_last_controller_everything_is_lost_and_with_others_nothing() -> None:
    assert "all topics" in Kafka().loses("controller", [])
    assert "all topics" in Kafka().loses("controller", ["broker"])
    assert Kafka().loses("controller", ["controller", "broker"]) == ""
    assert Kafka().loses("broker", ["controller"]) == ""


def test_one_that_goes_in_a_planned_way_has_another_one_vote() -> None:
    assert Kafka().can_not_hand_over("controller", ["broker"]) == ""
    assert "all topics" in Kafka().can_not_hand_over("controller", [])


@pytest.mark.parametrize(
    ("members", "voters", "leader", "then"),
    [
        ([1], [1], 1, [1]),
        ([1, 2], [1], 1, [1]),
        ([1, 2, 3], [1], 1, [1, 2, 3]),
        ([1, 2, 3, 4], [2, 3, 4], 2, [2, 3, 4]),
        ([2, 4], [2, 3, 4], 3, [2]),
        ([2, 4], [2, 3, 4], 4, [4]),
        ([2, 3], [1], 1, [2]),
        ([4, 5, 6, 7], [5, 9], 9, [4, 5, 6]),
    ],
)
def test_who_votes_keeps_its_vote_where_it_can_and_who_leads_before_all(
    members: list[int], voters: list[int], leader: int, then: list[int]
) -> None:
    assert wanted(members, voters, leader) == then


def test_all_brokers_are_the_address() -> None:
    told = [{"number": 1, "broker": "h:1"}, {"number": 2}, {"number": 3, "broker": "h:3"}]
    assert Kafka().address(told) == "h:1,h:3"


def test_the_supervisor_loads_no_client_and_no_model() -> None:
    code = (
        "import sys, pilothouse.engines.kafka.engine\n"
        "print([name for name in ('pydantic', 'numpy', 'kafka', 'confluent_kafka') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# ---------------------------------------------------------------------- what is kept


def test_without_a_folder_secrets_are_new_each_time() -> None:
    first, second = kept.secrets(None), kept.secrets(None)
    assert set(first) == {"password", "node", "cluster", "kept"}
    assert not {first[name] for name in ("password", "node", "cluster")} & set(second.values())


def test_a_kept_cluster_is_gone_on_with_under_its_secrets_and_brokers(tmp_path: Path) -> None:
    keep = str(tmp_path / "kafka")
    first = kept.secrets(keep)
    assert (tmp_path / "kafka" / "secrets.json").stat().st_mode & 0o777 == 0o600
    kept.of(keep, 1), kept.of(keep, 3)
    second = kept.secrets(keep)
    assert {**first, "kept": "[1, 3]"} == second
    assert [kept.broker_id(second, member) for member in (1, 2, 3, 4)] == [1, 3, 4, 5]
    assert [kept.broker_id(first, member) for member in (1, 2)] == [1, 2]


def test_a_kept_cluster_needs_all_its_brokers(tmp_path: Path) -> None:
    keep = str(tmp_path)
    kept.secrets(keep)
    kept.of(keep, 1), kept.of(keep, 2)
    kept.check(keep, 2)
    with pytest.raises(InvalidInput, match="nodes=2, then") as refused:
        kept.check(keep, 1)
    assert refused.value.field == "nodes"


def test_a_folder_with_other_files_is_not_taken_for_a_kafka_s(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InvalidInput, match="no Kafka's"):
        kept.check(str(tmp_path), 1)
    with pytest.raises(InvalidInput, match="not a folder"):
        kept.check(str(tmp_path / "thesis.tex"), 1)


def test_a_kept_broker_comes_back_at_its_ports(tmp_path: Path) -> None:
    assert kept.ports(tmp_path, {"broker": 1, "controller": 2}) == {"broker": 1, "controller": 2}
    assert kept.ports(tmp_path, {"broker": 8, "controller": 9}) == {"broker": 1, "controller": 2}
    assert json.loads((tmp_path / "ports.json").read_text())["broker"] == 1
