"""What all engines' settings have in common: the model behind forms, checks and the docs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pilothouse.errors import InvalidInput
from pilothouse.state import first_fault


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
