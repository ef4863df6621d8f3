"""What is installed is looked for again only where something may have come or gone."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

from pilothouse.installed import entry_points


def install(folder: Path, name: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pilothouse.harbours]\n{name} = {name}:Harbour\n")
    later = folder.stat().st_mtime_ns + 10**9  # clocks of file systems tick: this one comes within a tick of the last
    os.utime(folder, ns=(later, later))


def names() -> list[str]:
    return sorted(point.name for point in entry_points(group="pilothouse.harbours"))


def test_what_comes_is_found_and_nothing_is_opened_again_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names() == []
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "kiel")
    assert names() == ["kiel"]
    looks: list[str] = []
    look = importlib.metadata.entry_points

    def counted(*, group: str) -> importlib.metadata.EntryPoints:
        looks.append(group)
        return look(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)
    assert names() == ["kiel"]
    assert [point.value for point in entry_points(group="pilothouse.harbours", name="kiel")] == ["kiel:Harbour"]
    assert not entry_points(group="pilothouse.harbours", name="gdynia")
    assert looks == []
    install(tmp_path, "gdynia")
    assert names() == ["gdynia", "kiel"]
    assert looks == ["pilothouse.harbours"]
