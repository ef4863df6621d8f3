"""A plug-in of which something is not installed."""

from __future__ import annotations

import a_library_that_nobody_has  # noqa: F401
