"""Signing contracts: both parties sign the hash of the canonical JSON, each with its own key."""

from __future__ import annotations

from pilothouse.errors import Untrusted
from pilothouse.market.messages import events
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import verify


def propose(contract: events.Contract, customer: Identity) -> events.Proposal:
    """The contract with its customer's signature."""
    return events.Proposal(contract=contract, signature=_sign(contract, customer))


def accept(contract: events.Contract, provider: Identity) -> events.Acceptance:
    """The provider's signature under the contract."""
    return events.Acceptance(job=contract.job, contract=contract.hash, signature=_sign(contract, provider))


def check_proposal(proposal: events.Proposal, *, customer: str, provider: str) -> events.Contract:
    """The contract, when it is between `customer` (who sent it) and `provider` and is signed by the former.

    Raises
    ------
    Untrusted
        Another party, another hash, or another signer.
    """
    contract = proposal.contract
    if contract.customer != customer or contract.provider != provider:
        raise Untrusted("the contract names other parties than those who exchange it", field="customer")
    _check(proposal.signature, contract.hash, customer)
    return contract


def check_acceptance(acceptance: events.Acceptance, contract: events.Contract) -> None:
    """Pass when the contract's provider signed this very contract; else :class:`Untrusted`."""
    if acceptance.contract != contract.hash:
        raise Untrusted("the acceptance is of another contract", field="contract")
    _check(acceptance.signature, contract.hash, contract.provider)


def _sign(contract: events.Contract, identity: Identity) -> str:
    return identity.sign(events.SIGNATURE, contract.hash)


def _check(signature: str, digest: str, signer: str) -> None:
    event = verify(signature)
    if event.kind != events.SIGNATURE or event.content != digest or event.author != signer:
        raise Untrusted("the signature is not that of this contract by this party", field="signature")
