"""What a verb is: its arguments as argparse takes them, and the call that they make."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.errors import InvalidInput
from pilothouse.verbs.call import Call


@dataclass(frozen=True)
class Argument:
    """An argument of a verb, as argparse takes it.

    Attributes
    ----------
    names
        Whose names complete it: ``pilots``, ``runs``, ``services``, ``sites`` or ``engines``.
    """

    flags: tuple[str, ...]
    options: Mapping[str, Any]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verb:
    """A verb: what the user types, and the call it stands for."""

    name: str
    help: str
    call: Callable[[argparse.Namespace], Call]
    arguments: tuple[Argument, ...] = ()

    def add_to(self, parsers: argparse._SubParsersAction[Any], **options: Any) -> argparse.ArgumentParser:
        """Add the verb's parser to those of its group."""
        parser: argparse.ArgumentParser = parsers.add_parser(
            self.name, help=self.help, description=self.help[0].upper() + self.help[1:] + ".", **options
        )
        for argument in self.arguments:
            parser.add_argument(*argument.flags, **argument.options)
        parser.set_defaults(verb=self)
        return parser


def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """`words` parsed; options may stand between other words, and ``NAME=VALUE`` anywhere, as argparse has it not."""
    options, rest = parser.parse_known_args(words)
    if "verb" in options:
        rest = _filled(parser, options, rest)
    takes = next((name for name in ("parameters", "expressions") if name in options), None)
    if strange := [word for word in rest if takes is None or word.startswith("-")]:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    if takes:
        getattr(options, takes).extend(rest)
    return options


def _filled(parser: argparse.ArgumentParser, options: argparse.Namespace, rest: list[str]) -> list[str]:
    """What is left of `rest` when the verb's arguments that may be left out have had their share."""
    for argument in options.verb.arguments:
        name = argument.flags[0]
        if rest and argument.options.get("nargs") == "?" and getattr(options, name) is None and rest[0][:1] != "-":
            try:
                setattr(options, name, argument.options.get("type", str)(rest[0]))
            except ValueError:
                parser.error(f"argument {argument.options.get('metavar', name)}: not a number: {rest[0]!r}")
            rest = rest[1:]
    return rest


def arg(*flags: str, names: tuple[str, ...] = (), **options: Any) -> Argument:
    """An argument, written as for argparse."""
    return Argument(flags, options, names)


def pairs(words: list[str]) -> dict[str, Any]:
    """``["rate=1e3", "model=net"]`` as ``{"rate": 1000.0, "model": "net"}``: literals where they read as such.

    Raises
    ------
    InvalidInput
        A word is not ``name=value``.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise InvalidInput(f"{word!r} is not NAME=VALUE", field="parameters")
        try:
            found[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            found[name] = text
    return found


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def handle(options: argparse.Namespace) -> Call:
    """The pilot or the run that is named."""
    return Call("ph.attach", (options.name,))


def on(options: argparse.Namespace) -> dict[str, Any]:
    """The parameter ``pilot``, where one is named."""
    return {} if options.pilot is None else {"pilot": Call("ph.attach", (options.pilot,))}


PILOT = arg("name", metavar="NAME", help="the pilot", names=("pilots",))
RUN = arg("name", metavar="NAME", help="the run", names=("runs",))
SERVICE = arg("name", metavar="NAME", help="the service", names=("services",))
EXTENSIBLE = arg("name", metavar="NAME", help="the pilot or the service", names=("pilots", "services"))
EITHER = arg("name", metavar="NAME", help="the pilot or the run", names=("pilots", "runs"))
ON = arg(
    "--pilot", metavar="NAME", help="the pilot to use (default: the local one, started if need be)", names=("pilots",)
)
EXIST = arg(
    "--exist", metavar="WHAT", help="when something that has ended has that name: number it, or error (default: number)"
)
TAIL = arg("--tail", type=int, metavar="N", help="how many lines of each log (default: 200)")
PARAMETERS = arg("parameters", nargs="*", metavar="NAME=VALUE", help="further parameters of the function")
