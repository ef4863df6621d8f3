"""The ledger and test money: nothing is paid twice, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilothouse.errors import Conflict, PilothouseError, Unavailable, Untrusted
from pilothouse.market.money import ledger
from pilothouse.market.money.accounts import Accounts
from pilothouse.market.money.ledger import ISSUED, Ledger
from pilothouse.market.money.notes import ON_THE_WAY, PURSE, NoteWallet
from pilothouse.market.money.protocols import Payment, Purpose
from pilothouse.market.nostr.identity import Identity

BOB = Identity.generate()
PURPOSE = Purpose("digits-1", 1, BOB.pubkey)


def customer(folder: Path) -> NoteWallet:
    wallet = NoteWallet(Identity.load(folder / "alice.nsec"), Ledger(folder / "alice.jsonl"))
    wallet.fund(1000, "digits-1")
    return wallet


def provider(folder: Path) -> NoteWallet:
    return NoteWallet(BOB, Ledger(folder / "bob.jsonl"))


def test_payment_moves_money_once_and_both_ledgers_balance(tmp_path: Path) -> None:
    alice, bob = customer(tmp_path), provider(tmp_path)
    delivered: list[Payment] = []
    payment = alice.pay(PURPOSE, 300, delivered.append)
    assert delivered == [payment]
    assert alice.pay(PURPOSE, 300, delivered.append) == payment
    assert delivered == [payment]
    assert bob.receive(payment.proof, PURPOSE, alice.identity.pubkey, 300) == 300
    assert bob.receive(payment.proof, PURPOSE, alice.identity.pubkey, 300) == 0
    assert (alice.balance_msat(), bob.balance_msat()) == (700, 300)
    accounts = Accounts.read([alice.ledger.path, bob.ledger.path])
    assert accounts.balanced
    assert accounts.balances()["alice"][f"paid:{BOB.pubkey}"] == 300
    assert "balanced" in repr(accounts)


def test_funding_happens_once(tmp_path: Path) -> None:
    alice = customer(tmp_path)
    alice.fund(1000, "digits-1")
    assert alice.balance_msat() == 1000


def test_delivery_that_fails_keeps_the_money_on_its_way_until_it_succeeds(tmp_path: Path) -> None:
    alice = customer(tmp_path)

    def fails(payment: Payment) -> None:
        raise Unavailable("the relay is gone")

    with pytest.raises(Unavailable):
        alice.pay(PURPOSE, 300, fails)
    assert (alice.balance_msat(), alice.ledger.balances()[ON_THE_WAY]) == (700, 300)
    alice.pay(PURPOSE, 300, lambda payment: None)
    assert (alice.balance_msat(), alice.ledger.balances()[ON_THE_WAY]) == (700, 0)


@pytest.mark.parametrize("delivered", [False, True])
def test_payer_killed_in_the_middle_pays_once(tmp_path: Path, delivered: bool) -> None:
    """Killed before or after the payee has the money, and started again."""
    customer(tmp_path).ledger.close()
    program = f"""
import os, signal
from pathlib import Path
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.money.ledger import ISSUED, Ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.money.protocols import Purpose
folder = Path({str(tmp_path)!r})
wallet = NoteWallet(Identity.load(folder / "alice.nsec"), Ledger(folder / "alice.jsonl"))
def deliver(payment):
    if {delivered}:
        (folder / "delivered").write_text(payment.proof)
    os.kill(os.getpid(), signal.SIGKILL)
wallet.pay(Purpose("digits-1", 1, {BOB.pubkey!r}), 300, deliver)
"""
    killed = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    bob = provider(tmp_path)
    alice = customer(tmp_path)
    if delivered:
        bob.receive((tmp_path / "delivered").read_text(), PURPOSE, alice.identity.pubkey, 300)
    payment = alice.pay(
        PURPOSE, 300, lambda again: bob.receive(again.proof, PURPOSE, alice.identity.pubkey, 300) and None
    )
    if delivered:
        assert payment.proof == (tmp_path / "delivered").read_text()
    assert (alice.balance_msat(), bob.balance_msat()) == (700, 300)
    assert Accounts.read([alice.ledger.path, bob.ledger.path]).balanced


def test_another_amount_for_the_same_purpose_is_refused(tmp_path: Path) -> None:
    alice = customer(tmp_path)
    alice.pay(PURPOSE, 300, lambda payment: None)
    with pytest.raises(Conflict, match="300"):
        alice.pay(PURPOSE, 301, lambda payment: None)
    assert alice.balance_msat() == 700


def test_more_than_there_is_cannot_be_spent(tmp_path: Path) -> None:
    alice = customer(tmp_path)
    sent: list[Payment] = []
    with pytest.raises(Conflict, match="1001"):
        alice.pay(PURPOSE, 1001, sent.append)
    assert sent == []
    assert alice.balance_msat() == 1000


@pytest.mark.parametrize("what", ["job", "round", "amount", "payer", "payee", "nonsense"])
def test_payment_for_something_else_is_untrusted_and_earns_nothing(tmp_path: Path, what: str) -> None:
    alice, bob = customer(tmp_path), provider(tmp_path)
    payee = Identity.generate().pubkey if what == "payee" else BOB.pubkey
    proof = alice.pay(Purpose("digits-1", 1, payee), 300, lambda payment: None).proof
    purpose = {"job": Purpose("digits-2", 1, BOB.pubkey), "round": Purpose("digits-1", 2, BOB.pubkey)}.get(
        what, PURPOSE
    )
    payer = Identity.generate().pubkey if what == "payer" else alice.identity.pubkey
    amount = 301 if what == "amount" else 300
    with pytest.raises(Untrusted):
        bob.receive("gold" if what == "nonsense" else proof, purpose, payer, amount)
    assert bob.balance_msat() == 0
    assert bob.ledger.transactions == []


def test_transaction_that_does_not_balance_is_not_written(tmp_path: Path) -> None:
    books = Ledger(tmp_path / "books.jsonl")
    with pytest.raises(Conflict, match="balance"):
        books.post("fund", "a", {PURSE: 5})
    assert ledger.read(books.path) == []


def test_line_cut_short_by_a_crash_is_dropped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    alice = customer(tmp_path)
    alice.pay(PURPOSE, 300, lambda payment: None)
    alice.ledger.close()
    whole = alice.ledger.path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for size in range(len(whole) - len(last), len(whole)):
        alice.ledger.path.write_bytes(whole[:size])
        books = Ledger(alice.ledger.path)
        assert [one.what for one in books.transactions] == ["fund", "reserve"]
        books.close()
    again = customer(tmp_path)
    again.pay(PURPOSE, 300, lambda payment: None)
    assert [one.what for one in ledger.read(again.ledger.path)] == ["fund", "reserve", "settle"]


def test_ledger_with_a_bad_line_inside_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text("nonsense\n{}\n")
    with pytest.raises(PilothouseError, match="can't be read"):
        Ledger(path)
    assert path.read_text() == "nonsense\n{}\n"


def test_ledger_has_one_writer_and_the_next_one_waits_for_it(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "books.jsonl")
    with pytest.raises(Conflict, match="another process writes the ledger"):
        Ledger(first.path, wait=0.1)
    timer = threading.Timer(0.3, lambda: (first.post("fund", "a", {ISSUED: -5, PURSE: 5}), first.close()))
    timer.start()
    assert [one.what for one in Ledger(first.path).transactions] == ["fund"]
    timer.join()
