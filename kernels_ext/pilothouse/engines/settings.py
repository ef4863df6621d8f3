"""What all engines' settings have in common: the model behind forms, checks and the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args

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
        message, known = fault.message, model.model_fields.get(fault.field)
        if known is not None and is_size(known.annotation):  # its bounds are numbers of bytes
            message = re.sub(r"\b\d+\b", lambda number: size_written(int(number[0])), message)
        raise InvalidInput(f"{fault.field}={fault.value!r}: {message}", field=fault.field or None) from None


def is_size(kind: Any) -> bool:
    """Whether a field with this annotation is a number of bytes, or may be one."""
    return kind is ByteSize or any(map(is_size, get_args(kind)))


def size_written(size: int) -> str:
    """A number of bytes as people write it: ``512 MiB``."""
    for exponent, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % 2**exponent == 0:
            return f"{size >> exponent} {unit}"
    return f"{size} B"
