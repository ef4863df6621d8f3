"""A service's secrets: a file of mode 0600 in the run's folder, read by its members and by its user's clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = "secrets.json"


def written(secrets: Mapping[str, str]) -> dict[str, bytes]:
    """The file, for :func:`pilothouse.runs.launch.launch`, which makes it 0600; none without secrets."""
    return {FILE: json.dumps(dict(secrets)).encode()} if secrets else {}


def read(folder: Path) -> dict[str, str]:
    """The secrets of the service whose folder this is; none where it has none."""
    try:
        found: dict[str, str] = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        return {}
    return found
