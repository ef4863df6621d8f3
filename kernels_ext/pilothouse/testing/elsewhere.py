"""Other processes of a contract suite: what they do is a line of Python, and what they find is on this one's path."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from typing import Any

#: Seconds within which another process answers; generous, since only a test that fails waits for so long.
PATIENCE_S = 120.0


def find(name: str) -> Any:
    """The class (or function) that ``module:name`` names."""
    return pkgutil.resolve_name(name)


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Another Python process that runs `code`, with pipes to its standard input and output."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "random"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(code: str, *arguments: str) -> str:
    """What another Python process that runs `code` prints; it has to end well."""
    process = start(code, *arguments)
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, f"another process ended with exit code {process.returncode}"
    return said
