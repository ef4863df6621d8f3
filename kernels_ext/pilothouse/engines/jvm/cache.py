"""Where jars and class-data archives are kept: the user's cache, and what an administrator provides."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """The user's cache: ``$PILOTHOUSE_CACHE``, else ``~/.cache/pilothouse``."""
    if chosen := os.environ.get("PILOTHOUSE_CACHE"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("pilothouse", appauthor=False)


def provided() -> Path | None:
    """The folder of jars that an administrator provides: ``$PILOTHOUSE_JARS``; it is only read."""
    chosen = os.environ.get("PILOTHOUSE_JARS")
    return Path(chosen).expanduser().absolute() if chosen else None
