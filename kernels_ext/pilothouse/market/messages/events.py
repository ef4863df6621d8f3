"""What the market's parties say to each other, as pydantic models with a schema version.

Calls, offers and receipts are public events; bids, contracts, round orders, results and verdicts travel
in NIP-59 gift wraps. Models hold references, never weights: those are blobs. The author of an event is
the only identity; a key inside a message is compared with it, never believed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pilothouse.errors import Untrusted
from pilothouse.state import first_error

CALL = 5701
BID = 5702
CONTRACT = 5703
ACCEPTANCE = 6703
ROUND_ORDER = 5704
RESULT = 6704
VERDICT = 5705
OFFER = 30571
ANNOUNCEMENT = 31990  # NIP-89, for clients that do not know our offers
RECEIPT = 1985  # NIP-32 label
DELETION = 5  # NIP-09
SIGNATURE = 5706  # carried inside private messages, never published
PAYMENT = 5707  # the same
END = 5708

#: Namespace of the receipts' labels, and the hashtag of calls and offers.
NAMESPACE = "pilothouse.market"

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Hash
Text = Annotated[str, StringConstraints(max_length=200)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
Msat = Annotated[int, Field(ge=0, le=10**15)]
Count = Annotated[int, Field(ge=0, le=10**9)]
M = TypeVar("M", bound="Words")


class Words(BaseModel):
    """What every message has."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    kind: ClassVar[int]
    schema_version: Literal[1] = 1

    def text(self) -> str:
        """The message as the content of an event."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def parse(cls: type[M], content: str) -> M:
        """The message in an event's content; :class:`Untrusted` naming the first field that is wrong."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            field, message = first_error(error, "content")
            raise Untrusted(f"a {cls.__name__.lower()} has a bad {field}: {message}", field=field) from None


class BlobRef(BaseModel):
    """Where a blob is, what it must hash to, and the key that opens it."""

    model_config = ConfigDict(frozen=True)
    sha256: Hash
    size: Annotated[int, Field(gt=0, le=2**32)]
    server: Annotated[str, StringConstraints(pattern=r"^https?://", max_length=300)]
    key: Hash | None = Field(default=None, repr=False)  # AES-256-GCM


class Training(BaseModel):
    """How a provider trains: a trainer by name and its hyper-parameters; unknown ones are refused, not left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    trainer: Literal["mlp", "softmax"] = "mlp"
    hidden: Annotated[int, Field(ge=1, le=4096)] = 64
    epochs: Annotated[int, Field(ge=1, le=1000)] = 5
    batch: Annotated[int, Field(ge=1, le=65_536)] = 10
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1


class Validation(BaseModel):
    """The declared validation procedure: a provider knows beforehand how acceptance is decided."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    procedure: Literal["work-check, leave-one-out"] = "work-check, leave-one-out"
    max_norm: Annotated[float, Field(gt=0)] = 3.0  # of the update, in norms of the initial weights
    min_norm: Annotated[float, Field(gt=0)] = 1e-6  # the same; below it nothing was learnt
    duplicate_cosine: Annotated[float, Field(gt=0, le=1)] = 0.9999
    min_loss_drop: Annotated[float, Field(ge=0, lt=1)] = 0.0  # on the provider's own shard, relative, exceeded
    leave_one_out_tolerance: Annotated[float, Field(ge=0)] = 0.1  # relative gain in held-out loss that excludes


class Call(Words):
    """A customer's public request for training."""

    kind: ClassVar[int] = CALL
    job: Name
    title: Text
    algorithm: Literal["fedavg"] = "fedavg"
    training: Training
    parameters: Count
    samples: Count
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    providers: Annotated[int, Field(ge=1, le=1000)]
    max_price_msat: Msat  # per accepted round and provider
    validation: Hash  # hash of the Validation that the contract will hold
    bids_until: int  # seconds since 1970


class Offer(Words):
    """A provider's public, addressable offer; its expiry is the heartbeat."""

    kind: ClassVar[int] = OFFER
    name: Name
    algorithms: Annotated[list[Name], Field(min_length=1, max_length=20)]
    trainers: Annotated[list[Name], Field(min_length=1, max_length=20)]
    price_msat: Msat  # per accepted round
    payments: Annotated[list[Name], Field(min_length=1, max_length=10)]
    cores: Annotated[int, Field(ge=1, le=100_000)]
    capacity: Annotated[int, Field(ge=0, le=10_000)]  # jobs that it would take now
    max_blob: Count  # bytes


class Bid(Words):
    """A provider's private answer to a call."""

    kind: ClassVar[int] = BID
    call: Hash
    job: Name
    price_msat: Msat


class Contract(Words):
    """What customer and provider agree on; both sign the hash of its canonical JSON."""

    kind: ClassVar[int] = CONTRACT
    job: Name
    call: Hash
    customer: Key
    provider: Key
    algorithm: Literal["fedavg"] = "fedavg"
    training: Training
    validation: Validation
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    price_msat: Msat  # per accepted round
    payment: Literal["test"] = "test"
    round_seconds: Annotated[float, Field(gt=0, le=10**6)]
    initial_model: Hash  # sha256 of the safetensors bytes
    expires: int  # seconds since 1970; after it neither side owes anything

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, 64 hex digits."""
        return digest(self.text())


class Proposal(Words):
    """A contract with its customer's signature."""

    kind: ClassVar[int] = CONTRACT
    contract: Contract
    signature: str  # a signed event of kind SIGNATURE whose content is the contract's hash


class Acceptance(Words):
    """The provider's signature under a contract."""

    kind: ClassVar[int] = ACCEPTANCE
    job: Name
    contract: Hash
    signature: str


class RoundOrder(Words):
    """Work for one provider in one round; idempotent by (job, round, provider, attempt)."""

    kind: ClassVar[int] = ROUND_ORDER
    job: Name
    contract: Hash
    round: Annotated[int, Field(ge=1, le=10_000)]
    attempt: Annotated[int, Field(ge=1, le=100)] = 1
    base: BlobRef
    shard: BlobRef
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    deadline: int  # seconds since 1970


class Result(Words):
    """A provider's answer to a round order. `loss` is what the provider says; the customer measures its own."""

    kind: ClassVar[int] = RESULT
    job: Name
    contract: Hash
    round: Annotated[int, Field(ge=1, le=10_000)]
    attempt: Annotated[int, Field(ge=1, le=100)] = 1
    model: BlobRef
    samples: Count
    steps: Count
    loss: float | None
    environment: Annotated[dict[Name, Text], Field(max_length=20)] = Field(default_factory=dict)


class Verdict(Words):
    """The customer's judgement of one result, with the payment when it is accepted."""

    kind: ClassVar[int] = VERDICT
    job: Name
    contract: Hash
    round: Annotated[int, Field(ge=1, le=10_000)]
    accepted: bool
    included: bool
    reason: Name
    loss_before: float | None = None  # on the provider's shard, measured by the customer
    loss_after: float | None = None
    amount_msat: Msat = 0
    payment: str | None = None  # a signed event of kind PAYMENT


class End(Words):
    """The customer ends a contract: the job is done, was stopped, or goes on without this provider."""

    kind: ClassVar[int] = END
    job: Name
    contract: Hash


class Receipt(Words):
    """The public record of a verdict: what a reputation is made of."""

    kind: ClassVar[int] = RECEIPT
    job: Name
    round: Annotated[int, Field(ge=1, le=10_000)]
    provider: Key
    contract: Hash
    accepted: bool
    reason: Name
    amount_msat: Msat
    payment: Hash | None = None  # hash of the payment, not the payment
    currency: Literal["test"] = "test"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, ASCII only: the same text for the same value everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str) -> str:
    """SHA-256 of `text` in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()
