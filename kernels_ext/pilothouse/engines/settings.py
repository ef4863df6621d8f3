"""What all engines' settings have in common: the model behind forms, checks and the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, ValidationError

from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites import units
from pilothouse.state import first_fault

MIB = 1 << 20
#: A number of bytes, or ``"512 MiB"``.
Bytes = Annotated[ByteSize, BeforeValidator(units.size)]
#: A number of seconds, or ``"12h"``.
Seconds = Annotated[float, BeforeValidator(units.seconds)]
#: A folder in which data stays.
Kept = Annotated[Path, AfterValidator(lambda folder: folder.expanduser().absolute())]
#: What such a folder is for.
KEPT = (
    "A folder for the data, which stays when the service is stopped; one that starts with the same folder goes on with "
    "it. On several nodes, one that they share. Empty: on the nodes' scratch, gone after stop."
)


class Settings(BaseModel):
    """Base of the models of engines' settings: fields have a title, a description, a default and their bounds."""

    model_config = ConfigDict(extra="forbid")


def checked(engine: str, model: type[Settings], values: dict[str, Any]) -> Settings:
    """`values` as `model` has them.

    Raises
    ------
    InvalidInput
        A setting does not exist, or can't have that value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error)
        if fault.kind == "extra_forbidden":
            there = ", ".join(model.model_fields) or "none"
            raise InvalidInput(
                f"{fault.field}={fault.value!r}: {engine} has no such setting; there are: {there}", field=fault.field
            ) from None
        raise InvalidInput(f"{fault.field}={fault.value!r}: {fault.message}", field=fault.field or None) from None
