from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

import pilothouse as ph
from pilothouse.cli import main
from pilothouse.engines import listing
from pilothouse.engines.jvm.java import Java
from pilothouse.errors import Unavailable


class Ready:
    title = "Ready & able"
    packages: ClassVar = ("json",)


class Lacking:
    title = "Lacking"
    java = 99
    jars: ClassVar = ("kafka",)
    packages: ClassVar = ("no_such_package",)


class Slow:
    """Stands for an archive: there once it was made."""

    name, lists, there = "slow", True, False

    def make(self) -> None:
        Slow.there = True


class Prepared:
    title = "Prepared"

    def archives(self) -> list[Slow]:
        return [Slow()]


class Unprepared:
    title = "Unprepared"

    def archives(self) -> list[Slow]:
        raise Unavailable("it is not installed: pip install it")


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(group: str, name: str = "") -> list[EntryPoint]:
        every = [EntryPoint(name, value, "pilothouse.engines") for name, value in [
            ("lacking", f"{__name__}:Lacking"), ("broken", "no_such_module:Engine"), ("able", f"{__name__}:Ready"),
            ("prepared", f"{__name__}:Prepared"), ("unprepared", f"{__name__}:Unprepared"),
        ]]  # fmt: skip
        return [point for point in every if name in ("", point.name)]

    def java(least: int) -> Java:
        raise Unavailable(f"Java {least} or newer is needed; none was found")

    monkeypatch.setattr(listing, "entry_points", points)
    monkeypatch.setattr(listing, "java", java)
    monkeypatch.setattr(listing, "found", lambda software: False)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Ready.__module__])


def test_engines_are_listed_with_what_they_need_and_have() -> None:
    able, broken, lacking, *_ = ph.engines()
    assert (able.name, able.title, able.ready) == ("able", "Ready & able", True)
    assert able.needs == ("package: json",)
    assert not broken.ready
    assert "No module named 'no_such_module'" in broken.needs[0]
    assert not lacking.ready
    assert lacking.needs == (
        "Java: Java 99 or newer is needed; none was found",
        "jars: kafka 4.4.0 (to be fetched)",
        "package: no_such_package (not installed)",
    )


def test_the_table_is_text_and_html() -> None:
    table = ph.engines()
    assert repr(table).splitlines()[0].split() == ["name", "title", "needs", "ready"]
    assert "Ready &amp; able" in table._repr_html_()


def test_the_shell_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "list", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "# ph.engines()\n"
    assert [each["name"] for each in json.loads(printed.out)] == ["able", "broken", "lacking", "prepared", "unprepared"]
    assert main(["engines", "list"]) == 0
    assert "package: no_such_package (not installed)" in capsys.readouterr().out


def test_one_without_jars_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "fetch", "able"]) == 0
    assert "able needs no jars" in capsys.readouterr().err


def test_what_an_engine_prepares_is_made_beforehand_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = "prepared: an archive of its classes is made"
    assert main(["engines", "fetch", "--folder", "/nowhere", "prepared"]) == 0  # of an administrator's, for others
    assert words not in capsys.readouterr().err
    assert main(["engines", "fetch", "prepared", "unprepared"]) == 0
    said = capsys.readouterr().err
    assert Slow.there
    assert words in said
    assert "unprepared: no archive of classes is made: it is not installed: pip install it" in said
    assert main(["engines", "fetch", "prepared"]) == 0
    assert words not in capsys.readouterr().err


def test_an_unknown_engine_is_refused_before_anything_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "fetch", "kafka", "kafak"]) == 1
    assert "name='kafak': no jars are known by that name" in capsys.readouterr().err
