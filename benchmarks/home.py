"""A state folder for a benchmark alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock


@contextmanager
def own_home() -> Iterator[Path]:
    """A state folder of its own: the user's pilots are neither met nor added to."""
    with tempfile.TemporaryDirectory(prefix="ph-bench-") as home, mock.patch.dict(os.environ, PILOTHOUSE_HOME=home):
        yield Path(home)
