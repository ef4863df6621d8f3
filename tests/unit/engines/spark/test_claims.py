"""Who has the master: claims that are made once, and what a master leaves to the next."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pilothouse.engines.spark.claims import Claim, Claims


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(tmp_path / "masters")


def test_of_many_that_claim_at_once_one_does(claims: Claims) -> None:
    won: list[int] = []
    together = threading.Barrier(8)

    def claim(member: int) -> None:
        together.wait()
        if claims.claim(None, member):
            won.append(member)

    threads = [threading.Thread(target=claim, args=(member,)) for member in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert claims.latest() == Claim(1, won[0])


def test_the_latest_claim_counts_and_an_old_one_can_not_be_followed_twice(claims: Claims) -> None:
    assert claims.latest() is None
    assert claims.claim(None, 1)
    first = claims.latest()
    assert claims.claim(first, 2)
    assert not claims.claim(first, 3)
    assert claims.latest() == Claim(2, 2)


def test_who_takes_over_knows_what_the_one_before_did_and_is_not_disturbed_by_it(claims: Claims) -> None:
    old = claims.memory(Claim(1, 1))
    (old / "app_1").write_text("an application")
    new = claims.memory(Claim(2, 2))
    assert (new / "app_1").read_text() == "an application"
    (old / "app_1").unlink()  # the old one goes on, and believes that it is alone
    (old / "worker_9").write_text("a worker")
    assert [path.name for path in claims.memory(Claim(2, 2)).iterdir()] == ["app_1"]
    assert (new.stat().st_mode & 0o777) == 0o700


def test_a_claim_that_came_to_nothing_is_forgotten(claims: Claims) -> None:
    claims.claim(None, 1)
    (claims.memory(Claim(1, 1)) / "app_1").write_text("an application")
    claims.claim(Claim(1, 1), 2)
    claims.memory(Claim(2, 2))
    claims.withdraw(Claim(2, 2))
    assert claims.latest() == Claim(1, 1)
    (claims.memory(Claim(1, 1)) / "app_2").write_text("another one, since then")
    assert claims.claim(Claim(1, 1), 3)
    assert {path.name for path in claims.memory(Claim(2, 3)).iterdir()} == {"app_1", "app_2"}
