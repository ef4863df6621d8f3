"""Site files: TOML that says where pilots can be had, by admins and by the user, and what is wrong with it, where."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pilothouse.installed import entry_points
from pilothouse.pilots.sites.description import PilotDescription, explained, near, said_at
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.store import Unreadable
from pilothouse.state import first_fault

#: What a site file may say of a site.
KEYS = sorted({*Site.model_fields, "queue"} - {"name", "source", "trouble"})
#: What its `defaults` and `fixed` may name: a site and a pilot's name are the user's.
DESCRIBED = [field for field in PilotDescription.model_fields if field not in ("site", "name")]
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


@dataclass(frozen=True)
class SiteTable:
    """What one file says of one site.

    Attributes
    ----------
    values
        Fields of a :class:`~pilothouse.pilots.sites.site.Site`, checked.
    admin
        Whether the file is an admin's: it wins over the user's own.
    line
        Where it says so.
    """

    name: str
    values: Mapping[str, Any]
    path: Path
    admin: bool
    line: int = 0


@dataclass(frozen=True)
class BrokenFile(Unreadable):
    """A site file, or one table of it, that can't be used.

    Attributes
    ----------
    sites
        The sites that it is about.
    """

    sites: tuple[str, ...] = ()


def read_site_files() -> tuple[list[SiteTable], list[BrokenFile]]:
    """What all site files say, the weakest first, and what can't be read of them."""
    tables: list[SiteTable] = []
    broken: list[BrokenFile] = []
    for path, admin in _files(broken):
        found, wrong = read(path, admin=admin)
        tables += found
        broken += wrong
    if not tables:
        return tables, broken
    known = systems()
    named = {table.name for table in tables if "system" in table.values}
    for table in [table for table in tables if table.name not in named and table.name not in known]:
        tables.remove(table)
        close = near(table.name, [*sorted(named), *known])
        reason = f"[{table.name}] has no system: add one of {', '.join(known)}{close}"
        broken.append(_broken(table.path, table.name, reason, table.line, (table.name,)))
    for table in [table for table in tables if table.values.get("job_arrays")]:
        system = next((t.values["system"] for t in tables if t.name == table.name and "system" in t.values), table.name)
        if not _has_arrays(system):
            tables.remove(table)
            reason = f"[{table.name}] job_arrays=True: system {system!r} has no job arrays here; leave it out"
            broken.append(_broken(table.path, table.name, reason, table.line, (table.name,)))
    return tables, broken


def systems() -> list[str]:
    """The batch systems that something installed knows, this computer first."""
    return ["local", *sorted({point.name for point in entry_points(group="pilothouse.queues")})]


def _has_arrays(system: str) -> bool:
    """Whether the batch system, as what is installed knows it, has job arrays."""
    points = entry_points(group="pilothouse.queues", name=system.partition(":")[0])
    return any(hasattr(point.load(), "submit_array") for point in points)


def read(path: Path, *, admin: bool) -> tuple[list[SiteTable], list[BrokenFile]]:
    """The tables of one file that can be used, and what is wrong with the others."""
    import tomllib

    text = ""
    try:
        text = path.read_bytes().decode()
        content = tomllib.loads(text)
    except OSError as error:
        return [], [_broken(path, "", error.strerror or str(error))]
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [], [_broken(path, "", "it is not text in UTF-8", line)]
    except tomllib.TOMLDecodeError as error:
        return [], [_broken_toml(path, text, str(error))]
    tables, broken = [], []
    for name, values in content.items():
        try:
            tables.append(SiteTable(name, _checked(name, values), path, admin, _line(text, (name,))))
        except _Wrong as wrong:
            line = _line(text, (name, *wrong.path))
            broken.append(_broken(path, name, f"[{name}] {wrong}" if wrong.path else str(wrong), line, (name,)))
    return tables, broken


# ---------------------------------------------------------------------- where they are


def _files(broken: list[BrokenFile]) -> Iterator[tuple[Path, bool]]:
    """Site files and whether each is an admin's, the weakest first."""
    import platformdirs

    # The first of the system's folders is the most important one.
    system = platformdirs.site_config_dir("pilothouse", appauthor=False, multipath=True).split(os.pathsep)
    for folder in reversed(system):
        for path in _in_folder(Path(folder) / "sites", broken):
            yield path, True
    for word in filter(None, os.environ.get("PILOTHOUSE_SITES", "").split(os.pathsep)):
        place = Path(word).expanduser()
        if not place.exists():
            broken.append(BrokenFile(place.stem, place, f"{place}: there is no such file or folder (PILOTHOUSE_SITES)"))
        for path in _in_folder(place, broken) if place.is_dir() else [place] * place.is_file():
            yield path, True
    user = platformdirs.user_config_path("pilothouse", appauthor=False)
    for path in _in_folder(user / "sites", broken):
        yield path, False


def _in_folder(folder: Path, broken: list[BrokenFile]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        broken.append(_broken(folder, "", error.strerror or str(error)))
        return []


# ---------------------------------------------------------------------- what is wrong with them


class _Wrong(Exception):  # becomes a BrokenFile
    """A value that can't be used, with its path inside the site's table."""

    def __init__(self, path: Sequence[int | str], message: str) -> None:
        super().__init__(message)
        self.path = tuple(path)


def _checked(name: str, values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise _Wrong((), f"{name} stands outside of a site's table: begin with a line such as [cluster]")
    if not _NAME.fullmatch(name):
        raise _Wrong((), f"[{name}] can't be a site's name: take 1 to 32 lower-case letters, digits, '-' or '_'")
    _keys(values, KEYS, ())
    found = {key: value for key, value in values.items() if key != "queue"}
    if "queue" in values:
        if "queues" in values:
            raise _Wrong(("queue",), "queue and queues are the same: give one of them")
        found["queues"] = values["queue"]
    word = "queue" if "queue" in values else "queues"
    for at, queue in enumerate(found.get("queues", []) if isinstance(found.get("queues"), list) else []):
        if isinstance(queue, dict):
            _keys(queue, list(QueueLimits.model_fields), (word, at))
    _validate(
        Site, {"name": name, "system": "local", **found}, (), said_at(found.get("system", name)), {"queues": word}
    )
    system = found.get("system", "local")
    if system.partition(":")[0] not in (known := systems()):
        there = f"{', '.join(known)}{near(system, known)}"
        raise _Wrong(("system",), f"system={system!r}: nothing installed knows it; there are {there}")
    if name == "local" and system != "local":
        raise _Wrong(("system",), f"system={system!r}: the site local is this computer; give the site another name")
    if "fixed" in found:
        found["fixed"] = [_field(field, ("fixed",)) for field in found["fixed"]]
    if "defaults" in found:
        defaults = found["defaults"]
        found["defaults"] = {_field(field, ("defaults", field)): value for field, value in defaults.items()}
        _validate(PilotDescription, dict(defaults), ("defaults",), said_at(found.get("system", name), bare=False))
    return found


def _field(name: str, path: Sequence[int | str]) -> str:
    """The name of a description's field; ``project`` is another word for ``account``."""
    if name == "project":
        return "account"
    if name not in DESCRIBED:
        raise _Wrong(path, f"{name}: a pilot's description has no such field to preset{near(name, DESCRIBED)}")
    return name


def _keys(values: Mapping[str, Any], known: Sequence[str], path: Sequence[int | str]) -> None:
    for key in values:
        if key not in known:
            hint = near(key, known) or f"; there are {', '.join(known)}"
            raise _Wrong((*path, key), f"{key}: there is no such key{hint}")


def _validate(
    model: type[BaseModel],
    values: dict[str, Any],
    path: Sequence[int | str],
    context: dict[str, Any],
    written: Mapping[str, str] | None = None,
) -> None:
    try:
        model.model_validate(values, context=context)
    except ValidationError as error:
        fault = first_fault(error)
        inside = [(written or {}).get(str(part), part) for part in fault.place]
        shown = ".".join(map(str, (*path, *fault.path)))
        raise _Wrong((*path, *inside), f"{shown}={fault.value!r}: {explained(model, fault)}") from None


def _broken(path: Path, name: str, reason: str, line: int = 0, sites: tuple[str, ...] = ()) -> BrokenFile:
    where = f"{path}, line {line}" if line else str(path)
    return BrokenFile(name or path.stem, path, f"{where}: {reason}", sites or (path.stem,))


def _broken_toml(path: Path, text: str, message: str) -> BrokenFile:
    """It can't be known what it says, but by its headers which sites it is about."""
    names = {parts[0] for parts in _headers(text)} or {path.stem}
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    plain = message[: place.start()] if place else message
    line = int(place[1]) if place and place[1] else max(len(text.splitlines()), 1)
    column = f", column {place[2]}" if place and place[2] else ""
    return BrokenFile(path.stem, path, f"{path}, line {line}{column}: {plain}", tuple(sorted(names)))


def _headers(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if header := _HEADER.match(line):
            parts = [part.strip("\"'") for part in _PART.findall(header[2])]
            if parts:
                yield parts


def place_of_queue(table: SiteTable, at: int) -> str:
    """File and line of a table's queue of that number."""
    try:
        text = table.path.read_bytes().decode()
    except (OSError, ValueError):  # it has changed in the meantime
        return str(table.path)
    line = max(_line(text, (table.name, word, at)) for word in ("queue", "queues"))
    return f"{table.path}, line {line}"


def _line(text: str, path: Sequence[int | str]) -> int:
    """The line, from 1, where the key at `path` is written, or the deepest one above it that is.

    The parser does not say where it found what.
    """
    best, depth = 0, 0
    inside: list[int | str] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            inside = [part.strip("\"'") for part in _PART.findall(header[2])]
            if header[1] == "[[":
                name = header[2]
                counts[name] = counts.get(name, -1) + 1
                inside.append(counts[name])
            here = inside
        elif key := _KEY.match(line):
            here = [*inside, *(part.strip("\"'") for part in _PART.findall(key[1]))]
        elif best and path and re.search(rf"\b{re.escape(str(path[-1]))}\b\s*=", line) and depth < len(path):
            here = list(path)  # a key of an inline table that takes several lines
        else:
            continue
        if len(here) > depth and list(path[: len(here)]) == here:
            best, depth = number, len(here)
    return best
