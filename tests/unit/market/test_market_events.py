"""The market's messages: what is taken, what is refused, and what both parties sign."""

from __future__ import annotations

import json
import time

import pytest

from pilothouse.errors import Untrusted
from pilothouse.market import agreement
from pilothouse.market.messages import events
from pilothouse.market.nostr.identity import Identity

ALICE = Identity.generate()
BOB = Identity.generate()
EVE = Identity.generate()


def contract(**changes: object) -> events.Contract:
    values: dict[str, object] = {
        "job": "digits-1",
        "call": "0" * 64,
        "customer": ALICE.pubkey,
        "provider": BOB.pubkey,
        "training": events.Training(),
        "validation": events.Validation(),
        "rounds": 3,
        "price_msat": 100_000,
        "round_seconds": 60.0,
        "initial_model": "1" * 64,
        "expires": int(time.time()) + 600,
    }
    return events.Contract.model_validate(values | changes)


def test_message_survives_its_journey_and_carries_a_schema_version() -> None:
    agreed = contract()
    assert json.loads(agreed.text())["schema_version"] == 1
    assert events.Contract.parse(agreed.text()) == agreed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 2),
        ("price_msat", -1),
        ("price_msat", 0.5),
        ("rounds", 0),
        ("provider", "bob"),
        ("job", "../../etc/passwd"),
        ("payment", "bitcoin"),
    ],
)
def test_message_with_a_bad_field_is_untrusted_and_the_field_named(field: str, value: object) -> None:
    data = json.loads(contract().text()) | {field: value}
    with pytest.raises(Untrusted, match=field) as caught:
        events.Contract.parse(json.dumps(data))
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "[]", "null", '{"loss": NaN}', "\x00"])
def test_text_that_is_no_message_is_untrusted(text: str) -> None:
    with pytest.raises(Untrusted):
        events.Result.parse(text)


def test_blob_reference_to_a_local_file_is_untrusted() -> None:
    ref = {"sha256": "0" * 64, "size": 10, "server": "file:///etc/passwd"}
    result = {"job": "a", "contract": "0" * 64, "round": 1, "model": ref, "samples": 1, "steps": 1, "loss": None}
    with pytest.raises(Untrusted, match="server"):
        events.Result.parse(json.dumps(result))


def test_hash_of_a_contract_depends_on_every_term_and_on_no_order() -> None:
    agreed = contract()
    data = json.loads(agreed.text())
    shuffled = json.dumps(dict(reversed(data.items())), indent=2)
    assert events.Contract.parse(shuffled).hash == agreed.hash
    assert contract(price_msat=100_001).hash != agreed.hash
    assert contract(validation=events.Validation(max_norm=9.0)).hash != agreed.hash


def test_contract_needs_both_signatures() -> None:
    agreed = contract()
    proposal = agreement.propose(agreed, ALICE)
    assert agreement.check_proposal(proposal, customer=ALICE.pubkey, provider=BOB.pubkey) == agreed
    agreement.check_acceptance(agreement.accept(agreed, BOB), agreed)


def test_contract_signed_by_somebody_else_is_untrusted() -> None:
    agreed = contract()
    with pytest.raises(Untrusted, match="signature"):
        agreement.check_proposal(agreement.propose(agreed, EVE), customer=ALICE.pubkey, provider=BOB.pubkey)
    with pytest.raises(Untrusted, match="signature"):
        agreement.check_acceptance(agreement.accept(agreed, EVE), agreed)


def test_contract_in_the_name_of_another_customer_is_untrusted() -> None:
    """The author of the message counts, not the key inside it."""
    with pytest.raises(Untrusted, match="parties"):
        agreement.check_proposal(agreement.propose(contract(), ALICE), customer=EVE.pubkey, provider=BOB.pubkey)


def test_signature_does_not_carry_over_to_changed_terms() -> None:
    agreed = contract()
    forged = agreement.propose(agreed, ALICE).model_copy(update={"contract": contract(price_msat=1)})
    with pytest.raises(Untrusted, match="signature"):
        agreement.check_proposal(forged, customer=ALICE.pubkey, provider=BOB.pubkey)
    with pytest.raises(Untrusted, match="another contract"):
        agreement.check_acceptance(agreement.accept(agreed, BOB), contract(price_msat=1))
