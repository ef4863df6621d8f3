"""What a job and a provider are launched with: checked in the user's process, read again in the node's."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilothouse.errors import InvalidInput
from pilothouse.market.messages.events import Msat, Name, Text, Training, Validation
from pilothouse.state import first_fault

P = TypeVar("P", bound=BaseModel)
Relays = Annotated[list[Annotated[str, Field(pattern=r"^wss?://", max_length=300)]], Field(min_length=1, max_length=20)]

#: 1 sat = 1000 msat; 21 million bitcoin are 2.1e15 sat.
MSAT = 1000


class JobParameters(BaseModel):
    """A customer's job. Amounts in msat, times in seconds."""

    model_config = ConfigDict(allow_inf_nan=False, extra="ignore")
    job: Name
    key: Name
    title: Text
    relays: Relays
    blobs: Annotated[str, Field(pattern=r"^https?://", max_length=300)]
    market: Name | None = None  # the run of the lab market that it trades on: only whom that admits is hired
    dataset: Name | None = None  # else the arrays lie in the run's folder
    rounds: Annotated[int, Field(ge=1, le=1000)]
    providers: Annotated[int, Field(ge=1, le=100)]
    budget_msat: Msat
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    bid_seconds: Annotated[float, Field(gt=0, le=86_400)] = 10.0
    round_seconds: Annotated[float, Field(gt=0, le=10**6)] = 120.0
    patience_seconds: Annotated[float, Field(gt=0, le=10**6)] = 15.0
    training: Training = Training()
    validation: Validation = Validation()

    @property
    def duration(self) -> float:
        """Seconds after which the job is over in any case: for how long its messages stay on the relays."""
        return self.bid_seconds + self.rounds * (self.round_seconds + 60) + 600

    @property
    def max_price_msat(self) -> int:
        """The most that a provider may ask for an accepted round: then the budget is enough for all."""
        return self.budget_msat // (self.rounds * self.providers)


class ProviderParameters(BaseModel):
    """A provider. `price_msat` is for an accepted round."""

    model_config = ConfigDict(extra="ignore")
    name: Name
    key: Name
    relays: Relays
    price_msat: Msat
    algorithms: Annotated[list[Name], Field(min_length=1, max_length=20)]
    capacity: Annotated[int, Field(ge=1, le=100)] = 8


def checked(model: type[P], values: dict[str, Any], said: dict[str, str] | None = None) -> P:
    """`values` as a `model`.

    Parameters
    ----------
    said
        Field of the model -> what the user called it.

    Raises
    ------
    InvalidInput
        Naming the first field that is wrong, its value, and what would be right.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error)
        where = [str(part) for part in fault.path] or ["parameters"]
        field = (said or {}).get(where[0], where[-1] if where[0] in {"training", "validation"} else where[0])
        says = fault.message
        if fault.kind == "extra_forbidden":
            known = Training.model_fields if where[0] == "training" else Validation.model_fields
            says = f"{where[0]} has no such field, but {', '.join(known)}"
        raise InvalidInput(f"{field}={fault.value!r}: {says}", field=field) from None
