"""What is to be executed: what the user wrote, checked, as the JSON that the driver reads."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilothouse.errors import Conflict, Failed, InvalidInput
from pilothouse.pilots.sites.description import Duration
from pilothouse.state import first_fault

_BRACES = "(a brace itself is doubled: {{ }})"
Whole = Annotated[int, Field(strict=True)]


class Options(BaseModel):
    """What all tasks of a run share."""

    model_config = ConfigDict(extra="forbid")

    cores: Whole = Field(1, ge=1)
    gpus: Whole = Field(0, ge=0)
    ranks: Whole | None = Field(None, ge=1)
    retries: Whole = Field(0, ge=0, le=1000)
    stage: Literal["link", "copy"] = "link"
    timeout: Duration | None = Field(None, gt=0)
    launcher: list[str] | None = Field(None, min_length=1)
    through: Literal["pilothouse", "radical"] = "pilothouse"

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Options:
        """`values` as options.

        Raises
        ------
        InvalidInput
            Names the first field that can't be, its value and the remedy.
        """
        given = {**values}
        if isinstance(given.get("launcher"), str):
            given["launcher"] = shlex.split(given["launcher"])
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            fault = first_fault(error)
            field = str(fault.path[0])
            raise InvalidInput(f"{field}={values[field]!r}: {fault.message}", field=field) from None


def one(
    argv: object,
    env: object,
    inputs: object,
    outputs: object,
    *,
    may_come: bool,
    parameters: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One task of a specification.

    Parameters
    ----------
    may_come
        Inputs need not be there yet: they are what earlier tasks leave.
    parameters
        Of a template: ``{name}`` in texts stands for them.
    """
    fill = _Filler(parameters)
    return {
        "argv": _argv(argv, fill),
        "env": _environment(env, fill),
        "inputs": _inputs(inputs, fill, may_come),
        "outputs": _outputs(outputs, fill),
        **({"parameters": parameters} if parameters is not None else {}),
    }


class _Filler:
    """Puts a template's parameters into text."""

    def __init__(self, parameters: Mapping[str, Any] | None) -> None:
        self._parameters = parameters

    def __call__(self, text: str, field: str) -> str:
        if self._parameters is None:
            return text
        try:
            return text.format_map(self._parameters)
        except KeyError as error:
            known = ", ".join(map(str, self._parameters)) or "none"
            raise InvalidInput(
                f"{field}: {text!r} wants the parameter {error.args[0]!r}; given are {known} {_BRACES}",
                field="parameters",
            ) from None
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise InvalidInput(
                f"{field}={text!r}: {error}; {{name}} stands for a parameter {_BRACES}",
                field=field,
            ) from None


def _argv(argv: object, fill: _Filler) -> list[str]:
    if isinstance(argv, (str, bytes)) or not isinstance(argv, Sequence):
        raise InvalidInput(
            f"argv={argv!r}: a list, the executable and its arguments: ['gmx', 'mdrun', '-v']", field="argv"
        )
    words = []
    for word in argv:
        if isinstance(word, os.PathLike):
            words.append(str(Path(word).expanduser().absolute()))
        elif isinstance(word, (str, int, float)) and not isinstance(word, bool):
            words.append(fill(str(word), "argv"))
        else:
            raise InvalidInput(f"argv: {word!r} is not text, a number or a path", field="argv")
        if "\0" in words[-1]:
            raise InvalidInput(f"argv: {words[-1]!r} holds a null character", field="argv")
    if not words or not words[0]:
        raise InvalidInput(f"argv={argv!r}: name an executable", field="argv")
    return words


def _environment(env: object, fill: _Filler) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise InvalidInput(f"env={env!r}: a mapping of names to values", field="env")
    found = {}
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise InvalidInput(f"env: {name!r} can't name a variable", field="env")
        if isinstance(value, bool) or not isinstance(value, (str, int, float, os.PathLike)) or "\0" in str(value):
            raise InvalidInput(f"env: {name}={value!r}: text, a number or a path", field="env")
        found[name] = fill(str(value), "env")
    return found


def _inputs(inputs: object, fill: _Filler, may_come: bool) -> dict[str, dict[str, str]]:
    from pilothouse.tasks.file_ref import FileRef

    pairs: list[tuple[object, object]]
    if isinstance(inputs, Mapping):
        pairs = list(inputs.items())
    elif isinstance(inputs, (str, bytes, os.PathLike)) or not isinstance(inputs, Iterable):
        raise InvalidInput(
            f"inputs={inputs!r}: a list of paths, or a mapping of names to paths or references", field="inputs"
        )
    else:
        pairs = [(None, source) for source in inputs]
    found: dict[str, dict[str, str]] = {}
    for name, source in pairs:
        if isinstance(source, FileRef):
            entry, usual = {"path": source.file}, Path(source.file).name
        elif isinstance(source, (str, os.PathLike)):
            path = Path(fill(os.fspath(source), "inputs")).expanduser().absolute()
            if not may_come and not path.exists():
                raise InvalidInput(f"inputs: there is no {path}", field="inputs")
            entry, usual = {"path": str(path)}, path.name
        elif hasattr(source, "model_dump_json") and hasattr(type(source), "from_json") and name is not None:
            kind = type(source)
            entry, usual = {"ref": source.model_dump_json(), "type": f"{kind.__module__}:{kind.__qualname__}"}, ""
        else:
            raise InvalidInput(
                f"inputs: {source!r} is not a path; a reference needs a name: {{'name': ref}}", field="inputs"
            )
        chosen = _inside(usual if name is None else fill(str(name), "inputs"), "inputs")
        if chosen in found:
            raise InvalidInput(f"inputs: two are called {chosen!r}; name them with a mapping", field="inputs")
        found[chosen] = entry
    return found


def _outputs(outputs: object, fill: _Filler) -> list[str]:
    if isinstance(outputs, (str, bytes, Mapping)) or not isinstance(outputs, Iterable):
        raise InvalidInput(
            f"outputs={outputs!r}: a list of file names or patterns: ['traj.dcd', '*.log']", field="outputs"
        )
    names = []
    for name in outputs:
        if not isinstance(name, (str, os.PathLike)):
            raise InvalidInput(f"outputs: {name!r} is not a file name", field="outputs")
        names.append(_inside(fill(os.fspath(name), "outputs"), "outputs"))
    return names


def _inside(name: str, field: str) -> str:
    """A name within the working folder."""
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or not path.parts:
        raise InvalidInput(f"{field}: {name!r} is not a name within the task's working folder", field=field)
    return str(path)


def predecessor(after: object, scheduler: str) -> dict[str, Any] | None:
    """What a task comes after, for the driver; None when it has ended well already.

    Raises
    ------
    InvalidInput
        It is no run, no name of one, and no Dask future of the pilot with this `scheduler`.
    Conflict
        It has failed.
    """
    from pilothouse.runs.handle import Run

    if isinstance(after, str):
        after = Run(after)
    if isinstance(after, Run):
        record = after.record
        return _coming({"run": record.name, "created": record.created.isoformat()}, "after")
    if hasattr(after, "key") and hasattr(after, "client") and hasattr(after, "cancelled"):
        address = getattr(getattr(after.client, "scheduler", None), "address", None)
        if address != scheduler:
            raise InvalidInput(
                f"after: {after!r} is a future of another scheduler ({address}) than the pilot's", field="after"
            )
        if after.cancelled():
            raise InvalidInput(f"after: {after!r} was cancelled", field="after")
        return {"key": str(after.key)}
    raise InvalidInput(
        f"after: {after!r} is not a task, a run, the name of one, or a Dask future of the pilot", field="after"
    )


def makers(inputs: Iterable[object]) -> list[dict[str, Any]]:
    """What a task with these inputs comes after, for the driver: the tasks that leave its files.

    Raises
    ------
    NotFound, Conflict
        One of them is not there any more, or has failed.
    """
    from pilothouse.tasks.file_ref import FileRef

    numbers: dict[tuple[str, str], set[int]] = {}
    for source in inputs:
        if isinstance(source, FileRef):
            numbers.setdefault((source.run, source.created), set()).add(source.task)
    found = [
        _coming({"run": run, "created": created, "tasks": sorted(tasks)}, "inputs")
        for (run, created), tasks in numbers.items()
    ]
    return [each for each in found if each is not None]


def _coming(before: dict[str, Any], field: str) -> dict[str, Any] | None:
    """`before`, unless that has ended well already."""
    from pilothouse.tasks.predecessors import ended_well

    try:
        return None if ended_well(before) else before
    except Failed as error:
        raise Conflict(str(error) if field == "after" else f"{field}: {error}", field=field) from None
