"""What customer and provider write down for the process that goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pilothouse.errors import PilothouseError, Unavailable
from pilothouse.market.blobs.server import BlobServer
from pilothouse.market.customer.state import COMMITTED, Committed, OpenRound
from pilothouse.market.learning.verdicts import Reason
from pilothouse.market.messages import events
from pilothouse.market.nostr.relay import EmbeddedRelay
from pilothouse.market.provider.state import DEALS, Deal, Deals

KEY = "ab" * 32


def everybody(pubkey: str) -> bool:
    return True


BLOB = events.BlobRef(sha256="cd" * 32, size=5, server="http://127.0.0.1:9", key="ef" * 32)


def contract(expires: float) -> events.Contract:
    return events.Contract(
        job="digits-1", call="01" * 32, customer=KEY, provider=KEY, training=events.Training(),
        validation=events.Validation(), rounds=3, price_msat=1000, round_seconds=60, initial_model="02" * 32,
        expires=int(expires),
    )  # fmt: skip


def test_what_a_customer_committed_is_read_again(tmp_path: Path) -> None:
    first = Committed.load(tmp_path)
    assert not first.is_continued
    first.round = opened = OpenRound(number=2, base=BLOB)
    first.keep(opened, KEY, b"weights", None)
    first.keep(opened, "12" * 32, None, Reason.UNREADABLE)
    again = Committed.load(tmp_path)
    assert again.is_continued
    assert again.round == opened
    assert again.round.answers == {KEY: None, "12" * 32: Reason.UNREADABLE}
    assert again.answer(KEY) == b"weights"


def test_what_a_provider_committed_is_read_again_and_forgotten_when_it_is_long_over(tmp_path: Path) -> None:
    first = Deals.load(tmp_path, earlier=7)
    now = time.time()
    for expires in (now + 60, now - 60, now - 10**6):
        signed = contract(expires)
        first.signed[signed.hash] = Deal(contract=signed, judged={1, 2})
    first.commit()
    again = Deals.load(tmp_path, earlier=9)
    assert again.is_continued
    assert again.earlier == 7
    assert [one.is_live for one in again.signed.values()] == [True, False]  # a payment for the second still counts
    assert [one.judged for one in again.signed.values()] == [{1, 2}, {1, 2}]


def test_files_with_keys_in_them_are_private(tmp_path: Path) -> None:
    Committed.load(tmp_path)
    Deals.load(tmp_path, earlier=0)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (COMMITTED, DEALS)} == {0o600}


@pytest.mark.parametrize("name", [COMMITTED, DEALS])
def test_a_file_that_can_not_be_read_is_named_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"schema_version": 2}')
    with pytest.raises(PilothouseError, match=name):
        Committed.load(tmp_path) if name == COMMITTED else Deals.load(tmp_path, earlier=0)
    assert (tmp_path / name).read_text() == '{"schema_version": 2}'


def test_relay_and_blob_server_say_that_a_port_is_taken(tmp_path: Path) -> None:
    relay = EmbeddedRelay(everybody)
    port = int(relay.url.rsplit(":", 1)[1])
    try:
        with pytest.raises(Unavailable, match=str(port)):
            EmbeddedRelay(everybody, port)
        with pytest.raises(Unavailable, match=str(port)):
            BlobServer(tmp_path / "blobs", everybody, port=port)
    finally:
        relay.close()
    server = BlobServer(tmp_path / "blobs", everybody)
    server.close()
    again = BlobServer(tmp_path / "blobs", everybody, port=int(server.url.rsplit(":", 1)[1]))
    assert again.url == server.url
    again.close()
