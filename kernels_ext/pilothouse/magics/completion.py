"""Completion of the magics: commands, options, and the names of pilots, runs and sites, from files alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pilothouse.installed import entry_points
from pilothouse.verbs import GROUPS
from pilothouse.verbs.verb import Verb


def complete(_: Any, event: Any) -> list[str]:
    """What may follow on the line of `event` (IPython's hook ``complete_command``)."""
    typed = event.text_until_cursor
    words = typed.split()
    magic = words[0].lstrip("%")
    before = words[1:] if typed.endswith((" ", "\t")) else words[1:-1]
    if magic == "on":
        return _names(("pilots",)) if not before else []
    verbs = {verb.name: verb for verb in GROUPS[magic][1]}
    if not before:
        return [*verbs]
    verb = verbs.get(before[0])
    return [] if verb is None else _arguments(verb, before[1:], event.symbol)


def _arguments(verb: Verb, before: list[str], symbol: str) -> list[str]:
    options = {flag: argument for argument in verb.arguments for flag in argument.flags if flag.startswith("--")}
    if before and before[-1] in options:
        return _names(options[before[-1]].names)
    found = [flag for flag in options if flag not in before]
    if symbol.startswith("-"):
        return found
    positional = [argument for argument in verb.arguments if not argument.flags[0].startswith("-")]
    taken = _positions(before, {flag for flag, argument in options.items() if "action" not in argument.options})
    if taken < len(positional):
        found = [*_names(positional[taken].names), *found]
    return found


def _positions(words: list[str], with_value: set[str]) -> int:
    """How many positional arguments `words` hold."""
    count = 0
    previous = ""
    for word in words:
        if not word.startswith("-") and previous not in with_value:
            count += 1
        previous = word
    return count


def _names(kinds: tuple[str, ...]) -> list[str]:
    if not kinds:
        return []
    if "sites" in kinds:
        from pilothouse.pilots.queues.discovery import site_names

        return site_names()
    if "engines" in kinds:
        return sorted({point.name for point in entry_points(group="pilothouse.engines")})
    from pilothouse.state import NAME, home

    found: list[str] = []
    for kind in kinds:
        folder = home() / ("runs" if kind == "services" else kind)
        paths = [path for path in sorted(folder.glob("*.json")) if re.fullmatch(NAME, path.stem)]
        found += [path.stem for path in paths if kind != "services" or _is_service(path)]
    return found


def _is_service(path: Path) -> bool:
    """Whether the record of a run is that of a service."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):  # it went a moment ago, or can't be read
        return False
    return isinstance(record, dict) and record.get("kind") == "service"
