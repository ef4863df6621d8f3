"""The engines that are installed, and what each of them needs and has on this host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

from pilothouse.engines.jvm.archives import Archive
from pilothouse.engines.jvm.jars import found
from pilothouse.engines.jvm.java import java
from pilothouse.engines.jvm.lock import lock
from pilothouse.engines.loading import GROUP
from pilothouse.errors import PilothouseError
from pilothouse.installed import entry_points
from pilothouse.tables import html_table, text_table


@dataclass(frozen=True)
class Listed:
    """An engine that is installed.

    Attributes
    ----------
    name, title
        What :meth:`Pilot.start` is given, and as people write it.
    needs
        What it needs, each with what is there of it: ``Java: 17``, ``jars: missing``.
    ready
        Whether all of it is on this host.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    ready: bool


class Engines(Sequence[Listed]):
    """A table of engines."""

    def __init__(self, listed: Iterable[Listed]) -> None:
        self._listed = tuple(listed)

    def __getitem__(self, at: Any) -> Any:
        return self._listed[at]

    def __len__(self) -> int:
        return len(self._listed)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Name, title, what it needs and has, whether that is all: a line each."""
        return [(each.name, each.title, "; ".join(each.needs), "yes" if each.ready else "no") for each in self._listed]

    def __repr__(self) -> str:
        return text_table([_HEAD, *self.rows]) if self._listed else "(no engines are installed)"

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self.rows)


_HEAD = ("name", "title", "needs", "ready")


def engines() -> Engines:
    """The engines that are installed, by name: what each needs, and whether that is on this host.

    Examples
    --------
    >>> ph.engines()  # doctest: +SKIP
    name   title         needs                            ready
    kafka  Apache Kafka  Java: 17; jars: kafka 4.4.0      yes
    """
    return Engines(map(_listed, sorted(entry_points(group=GROUP), key=lambda point: point.name)))


def jars_of(name: str) -> tuple[str, ...]:
    """The software whose jars the engine `name` needs; `name` itself where no engine has it."""
    for point in entry_points(group=GROUP, name=name):
        return tuple(getattr(point.load(), "jars", ()))
    return (name,)


def archives_of(name: str) -> Sequence[Archive]:
    """The archives of classes that the engine `name` has beside those of its jars; none where no engine has it."""
    for point in entry_points(group=GROUP, name=name):
        kind = point.load()
        return tuple(kind().archives()) if hasattr(kind, "archives") else ()
    return ()


def _listed(point: EntryPoint) -> Listed:
    name = point.name
    try:
        engine = point.load()
    except Exception as error:  # noqa: BLE001 - a third party's, which shall not hide the others
        return Listed(name, name, (f"can't be loaded: {error}",), ready=False)
    words, ready = [], True
    for word, there in _needs(engine):
        words.append(word)
        ready = ready and there
    return Listed(name, engine.title, tuple(words), ready)


def _needs(engine: Any) -> Iterator[tuple[str, bool]]:
    """What an engine says that it needs, each with whether it is there."""
    if least := getattr(engine, "java", None):
        try:
            yield f"Java: {java(least).version}", True
        except PilothouseError as error:
            yield f"Java: {error}", False
    for software in getattr(engine, "jars", ()):
        there = found(software)
        version = lock(software).version
        yield f"jars: {software} {version}{'' if there else ' (to be fetched)'}", there
    for package in getattr(engine, "packages", ()):
        there = find_spec(package) is not None
        yield f"package: {package}{'' if there else ' (not installed)'}", there
