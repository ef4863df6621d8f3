"""The Python call that a verb stands for: what is shown and what is made are one object, so they can't differ."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.errors import InvalidInput


@dataclass(frozen=True)
class Expression:
    """Python that only the user's namespace can give a value: ``u.atoms``."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Call:
    """A call of a public function, or of a method of what another call returned.

    Attributes
    ----------
    function
        ``"ph.submit"``; ``".extend"`` of what `on` returns; ``"market.offers"`` of a name in `namespace`.
    args, kwargs
        Plain values, expressions, or further calls.
    imports
        Lines ``from module import name`` that the call needs.
    """

    function: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    on: Call | None = None
    imports: tuple[str, ...] = ()

    def then(self, method: str, *args: Any, **kwargs: Any) -> Call:
        """The call of `method` on what this call returns."""
        return Call(f".{method}", args, kwargs, on=self, imports=self.imports)

    def __str__(self) -> str:
        shown = [_shown(value) for value in self.args]
        shown += [f"{name}={_shown(value)}" for name, value in self.kwargs.items()]
        return f"{self.on or ''}{self.function}({', '.join(shown)})"

    def lines(self) -> str:
        """The Python that does the same, imports first."""
        return "\n".join([*self.imports, str(self)])

    def run(self, evaluate: Callable[[str], Any]) -> Any:
        """Make the call; `evaluate` gives expressions their value."""
        target: Any
        if self.on is not None:
            target = self.on.run(evaluate)
            path = self.function.removeprefix(".")
        else:
            root, _, path = self.function.partition(".")
            target = importlib.import_module("pilothouse") if root == "ph" else evaluate(root)
        for part in path.split("."):
            found = getattr(target, part, None) if self.on is not None else getattr(target, part)
            if found is None:
                raise InvalidInput(f"{_named(target)} has no {part}()", field="name")
            target = found
        args = [self._value(value, evaluate) for value in self.args]
        kwargs = {name: self._value(value, evaluate) for name, value in self.kwargs.items()}
        _check_fits(target, args, kwargs, path)
        return target(*args, **kwargs)

    def _value(self, value: Any, evaluate: Callable[[str], Any]) -> Any:
        if isinstance(value, Call):
            return value.run(evaluate)
        if isinstance(value, Expression):
            for line in self.imports:
                _, module, _, name = line.split()
                if name == value.text:
                    return getattr(importlib.import_module(module), name)
            return evaluate(value.text)
        if isinstance(value, list):
            return [self._value(each, evaluate) for each in value]
        return value


def _check_fits(function: Any, args: list[Any], kwargs: dict[str, Any], name: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # it has none that Python can know
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        of = getattr(function, "__self__", None)
        whose = f" of {_named(of)}" if hasattr(of, "record") else ""
        takes = ", ".join(signature.parameters) or "nothing"
        raise InvalidInput(f"{name}{whose}: {error}; it takes {takes}") from None


def _named(handle: Any) -> str:
    """A handle in few words: ``the kafka 'kafka-2'``, ``the pilot 'anna'``."""
    if not hasattr(handle, "record"):
        return type(handle).__name__
    return f"the {getattr(handle.record, 'what', 'pilot')} {handle.name!r}"


def _shown(value: Any) -> str:
    if isinstance(value, (Call, Expression)):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and not {'"', "\\"} & set(value) else repr(value)
    return repr(value)
