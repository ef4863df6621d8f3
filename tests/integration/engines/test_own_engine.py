"""The engine that docs/engines.md shows, installed as a package of somebody else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput

PAGE = Path(__file__).parents[3] / "docs" / "engines.md"


def test_the_engine_in_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_home: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    module, start = re.findall(r"```python\n(# my_engines.py\n.*?|shared = .*?)```", text, re.DOTALL)
    (points,) = re.findall(r'```toml\n\[project.entry-points."pilothouse.engines"\]\n(.*?)```', text, re.DOTALL)
    (tmp_path / "my_engines.py").write_text(module)
    info = tmp_path / "my_engines-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-engines\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[pilothouse.engines]\n{points}".replace('"', ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(tmp_path)
    with ph.submit("local", name="own", lease="30m").wait(timeout=60) as pilot:
        names: dict[str, object] = {"pilot": pilot}
        exec(start, names)
        shared = names["shared"]
        assert isinstance(shared, ph.Run)
        assert sorted(shared.client().keys()) == ["ahoy", "aye"]  # type: ignore[attr-defined]
        with pytest.raises(InvalidInput, match="one dictionary is on one node"):
            pilot.start("shared", nodes=2)
