"""The magics themselves: parse, show the Python line, call it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError

from pilothouse.errors import InvalidInput, PilothouseError
from pilothouse.verbs import GROUPS
from pilothouse.verbs.call import Call
from pilothouse.verbs.verb import parse

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class _Help(Exception):
    """The user asked for help, which has been printed."""


class Parser(argparse.ArgumentParser):
    """An argument parser that ends a cell instead of a kernel."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how it is used."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002 - argparse's own hook
        """After ``--help``."""
        raise _Help


def parser(group: str) -> Parser:
    """The parser of ``%group``."""
    about, verbs = GROUPS[group]
    made = Parser(prog=f"%{group}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = verbs[0] if not verbs[0].arguments else None
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=default is None)
    for verb in verbs:
        verb.add_to(commands)
    if default:
        made.set_defaults(verb=default)
        made.epilog = f"Without a command: {default.name}."
    made.epilog = (
        f"{made.epilog or ''}\n'%{group} COMMAND --help' explains a command; each prints its Python line.".strip()
    )
    return made


def words(line: str) -> list[str]:
    """`line` split at blanks outside of quotes and brackets, so that a word may be a Python expression.

    Quotes around a whole word are for the line and are taken off; those within an expression stay.

    >>> words('rmsd u.select_atoms("name CA") --pilot "anna"')
    ['rmsd', 'u.select_atoms("name CA")', '--pilot', 'anna']
    """
    found: list[str] = []
    word, quote, depth = "", "", 0
    for character in f"{line} ":
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character.isspace() and depth <= 0:
            if word:
                found.append(
                    word[1:-1] if word[0] in "'\"" and word.count(word[0]) == 2 and word[-1] == word[0] else word
                )
            word = ""
            continue
        word += character
    if quote or depth > 0:
        raise UsageError(f"a quote or a bracket is not closed: {line}")
    return found


def _parse(group: str, line: str) -> argparse.Namespace | None:
    try:
        return parse(parser(group), words(line))
    except _Help:
        return None


def make(shell: InteractiveShell, group: str) -> Callable[[str], Any]:
    """The line magic ``%group`` for `shell`; its docstring is the parser's help, which ``%group?`` shows."""

    def magic(line: str) -> Any:
        options = _parse(group, line)
        if options is None:
            return None
        try:
            call: Call = options.verb.call(options)
            print(call.lines())  # noqa: T201 - the line that does the same, for the user to keep
            found = call.run(shell.ev)
        except PilothouseError as error:
            raise UsageError(str(error)) from None
        if isinstance(found, str):
            print(found)  # noqa: T201 - a log is read, not quoted
            return None
        return found

    magic.__doc__ = parser(group).format_help()
    return magic


def make_on(shell: InteractiveShell) -> Callable[[str, str], Any]:
    """The cell magic ``%%on`` for `shell`."""

    def on(line: str, cell: str) -> Any:
        """Run this cell on a node of a pilot: ``%%on NAME``.

        What it prints, the value of its last expression and its errors come back as those of any cell. It sees none
        of the notebook's variables, and leaves none: for more, take ``ph.attach(NAME).client()``.
        """
        name = line.strip()
        if not name or " " in name:
            raise UsageError("say which pilot: %%on NAME")
        import pilothouse as ph

        print(Call("ph.attach", (name,)).then("run_cell", cell).lines())  # noqa: T201 - for the user to keep
        try:
            pilot = ph.attach(name)
            if isinstance(pilot, ph.Run):
                raise InvalidInput(f"name={name!r} is a run; %%on takes a pilot", field="name")
            number = len(shell.user_ns["In"]) - 1  # the counter may be ahead of it already
            # the line of the magic counts as the first one, as in the notebook
            return pilot.run_cell(f"\n{cell}", name=f"Cell In[{number}]")
        except PilothouseError as error:
            if hasattr(error, "_render_traceback_"):  # it is the cell's own
                raise
            raise UsageError(str(error)) from None
        except (SyntaxError, BaseExceptionGroup) as error:
            raise _in_its_words(error) from None

    return on


def _in_its_words(error: BaseException) -> Exception:
    """`error`, for IPython to show: of these kinds it shows the frames of this magic, whatever they say of that."""
    made: Exception = type(type(error).__name__, (Exception,), {})(str(error))
    vars(made).update(vars(error))
    return made
