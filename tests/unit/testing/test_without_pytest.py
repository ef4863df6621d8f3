"""The library does without pytest, and the contract suites say that they need it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
sys.modules["pytest"] = None
import pilothouse.streams, pilothouse.pilots, pilothouse.data
try:
    import pilothouse.testing
except pilothouse.errors.PilothouseError as error:
    print(error)
"""


def test_what_to_install_is_said() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert "pip install 'pilothouse[testing]'" in done.stdout
