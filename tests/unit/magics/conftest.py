from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython shell of its own, without history, with the extension loaded."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = InteractiveShell(
        config=Config({"HistoryManager": {"enabled": False}, "HistoryAccessor": {"enabled": False}})
    )
    made.run_line_magic("load_ext", "pilothouse")
    yield made
    made.run_line_magic("unload_ext", "pilothouse")
