"""What an analysis is given: keywords that it does not know, and groups without atoms, are refused.

Most classes of MDAnalysis end in ``**kwargs``, which go up to ``AnalysisBase``, and that drops them: a keyword that
is misspelt, or meant for ``run()``, would change nothing and nobody would hear of it.
"""

from __future__ import annotations

import difflib
import dis
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.errors import InvalidInput

#: What ``AnalysisBase.run`` takes beside the frames, and why it has no place here.
_OF_RUN = {
    "backend": "the pilot is the backend: leave it out",
    "unsupported_backend": "the pilot is the backend: leave it out",
    "n_workers": "a pilot has the workers that it has: take n_parts to say into how many parts to cut the frames",
    "progressbar_kwargs": "the run shows its own progress: leave it out",
}


@dataclass(frozen=True)
class Constructor:
    """What the constructors of a class take, from the class itself up to the last one that hears of its keywords.

    Attributes
    ----------
    names
        Keywords that one of them names.
    catching
        Those that end in ``**kwargs`` and do something with them.
    """

    names: frozenset[str]
    catching: tuple[Any, ...]

    @staticmethod
    def of(cls: type[Any]) -> Constructor:
        """Walk the constructors in the order in which they call each other."""
        names: set[str] = set()
        catching: list[Any] = []
        for owner in cls.__mro__:
            init = vars(owner).get("__init__")
            if init is None:
                continue
            init = inspect.unwrap(init)
            if not inspect.isfunction(init):  # not written in Python
                break
            parameters = list(inspect.signature(init).parameters.values())[1:]
            names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
            if not _hands_on(init):
                break
            catching.append(init)
        return Constructor(frozenset(names), tuple(catching))


def check_keywords(
    analysis: type[Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Refuse keywords that neither the class nor MDAnalysis would look at.

    A class of the user's that keeps its ``**kwargs``, or picks from them by name, gets what it is given.

    Parameters
    ----------
    options
        What ``analyse`` itself takes, and was given.

    Raises
    ------
    InvalidInput
        Naming the keyword and the closest one that is known.
    """
    from MDAnalysis.analysis.base import AnalysisFromFunction

    known = Constructor.of(analysis)
    check_meaning(analysis.__name__, known.names, _given(options))
    _check_those_of_run(analysis, known.names, kwargs)
    if issubclass(analysis, AnalysisFromFunction):
        return  # they are the function's, see check_function
    unknown = [key for key in kwargs if key not in known.names]
    if unknown and known.catching:
        unknown = _dropped(analysis, args, kwargs, unknown, known.catching)
    if unknown:
        names = sorted(known.names - {"trajectory", "kwargs"})
        raise _unknown(analysis.__name__, unknown[0], names, options)


def check_function(prepared: Any, options: Mapping[str, Any]) -> None:
    """Refuse arguments that the function of an ``AnalysisFromFunction`` does not take.

    Raises
    ------
    InvalidInput
        Naming the argument.
    """
    from MDAnalysis.analysis.base import AnalysisFromFunction

    if not isinstance(prepared, AnalysisFromFunction):
        return
    function = prepared.function
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # not written in Python: it says itself what it does not take
        return
    name = getattr(function, "__name__", "the function")
    check_meaning(f"{name}()", signature.parameters, _given(options))
    takes = [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        for key in prepared.kwargs:
            if key not in takes:
                raise _unknown(f"{name}()", key, takes, options)
    try:
        signature.bind(*prepared.args, **prepared.kwargs)
    except TypeError as error:
        raise InvalidInput(f"{name}() refuses its arguments: {error}", field="arguments") from None


def check_meaning(what: str, names: Iterable[str], taken: Sequence[str]) -> None:
    """Refuse keywords of ``analyse`` that the class or the function has too: nobody can know which is meant.

    Parameters
    ----------
    what, names
        The class or the function, and what it takes.
    taken
        The keywords of ``analyse`` that were given.

    Raises
    ------
    InvalidInput
        Naming the keyword, and how to give it to the class.
    """
    for key in taken:
        if key in names:
            raise InvalidInput(
                f"{key}: both analyse() and {what} have an argument of that name; give {what}'s own in a function or "
                "a class of yours that sets it",
                field=key,
            )


def check_atoms(analysis: type[Any], values: Any) -> None:
    """Refuse groups without atoms among the arguments, in lists and dictionaries too.

    Raises
    ------
    InvalidInput
        One has none.
    """
    for value in _groups(values):
        if not len(value):
            raise InvalidInput(
                f"{analysis.__name__}: {_empty(value)} was given; its selection matched nothing",
                field="atoms",
            )


def check_selected(prepared: Any) -> None:
    """Refuse an analysis of MDAnalysis whose selection strings matched nothing: it would compute with no atoms.

    Raises
    ------
    InvalidInput
        Naming the class's own name of the group.
    """
    from MDAnalysis.core.groups import AtomGroup

    analysis = type(prepared)
    if not analysis.__module__.startswith("MDAnalysis.") or getattr(prepared, "update_selections", False):
        return  # it may select from nothing, or select again at each frame
    for name, value in vars(prepared).items():
        if isinstance(value, AtomGroup) and not len(value):
            raise InvalidInput(
                f"{analysis.__name__}: its selection matched no atom (its {name.strip('_')} is empty)", field="select"
            )


def _groups(value: Any) -> Iterator[Any]:
    from MDAnalysis.core.groups import GroupBase

    if isinstance(value, GroupBase):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _groups(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _groups(item)


def _empty(group: Any) -> str:
    level = str(group.level.name)
    return f"{'an' if level[0] in 'aeiou' else 'a'} {level.capitalize()}Group without {level}s"


def _check_those_of_run(analysis: type[Any], names: frozenset[str], kwargs: Mapping[str, Any]) -> None:
    for key, why in _OF_RUN.items():
        if key in kwargs and key not in names:
            raise InvalidInput(
                f"{key}={kwargs[key]!r} is an argument of run(), not of {analysis.__name__}: {why}", field=key
            )


def _dropped(
    analysis: type[Any], args: Sequence[Any], kwargs: Mapping[str, Any], unknown: Sequence[str], catching: Sequence[Any]
) -> list[str]:
    """Those of the `unknown` keywords that nobody looks at."""
    from MDAnalysis.analysis.base import AnalysisBase

    own = [init for init in catching if not init.__module__.startswith("MDAnalysis.")]
    picked = {key for key in unknown for init in own if key in _constants(init.__code__)}
    rest = [key for key in unknown if key not in picked]
    if not rest or not own:
        return rest
    reached: set[str] = set()

    def note(self: Any, *args: Any, **kwargs: Any) -> None:
        reached.update(kwargs)
        AnalysisBase.__init__(self, *args, **kwargs)

    # Where the class comes before it, this is what its constructors hand over to AnalysisBase.
    last = type("Last", (AnalysisBase,), {"__init__": note})
    probe = type(analysis.__name__, (analysis, last), {"__module__": analysis.__module__})
    probe(*args, **kwargs)
    return [key for key in rest if key in reached]


def _constants(code: Any) -> set[str]:
    found: set[str] = set()
    for constant in code.co_consts:
        if isinstance(constant, str):
            found.add(constant)
        elif isinstance(constant, (tuple, frozenset)):
            found.update(item for item in constant if isinstance(item, str))
        elif hasattr(constant, "co_consts"):
            found |= _constants(constant)
    return found


def _hands_on(init: Any) -> bool:
    """Whether a constructor ends in ``**kwargs`` and does anything with them."""
    code = init.__code__
    if not code.co_flags & inspect.CO_VARKEYWORDS:
        return False
    at = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
    name = code.co_varnames[at]
    if name in code.co_cellvars:  # a function within uses them
        return True
    return any(step.argval == name and step.opname.startswith("LOAD") for step in dis.get_instructions(code))


def _given(options: Mapping[str, Any]) -> list[str]:
    return [key for key, value in options.items() if value is not None]


def _unknown(what: str, key: str, names: Sequence[str], options: Iterable[str]) -> InvalidInput:
    close = difflib.get_close_matches(key, [*names, *options], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    takes = f"it takes {', '.join(names)}" if names else "it takes no keywords"
    return InvalidInput(f"{key}: {what} has no such argument, and it would change nothing; {hint}{takes}", field=key)
