"""The clocks of a pilot's Dask processes."""

from __future__ import annotations

import subprocess
import sys


def test_a_slow_tick_is_not_logged_as_a_late_one() -> None:
    """It would be a line in the log of each supervisor and node every five seconds."""
    code = (
        "from pilothouse.pilots.node.unhurried import TICK_S, slow_down\n"
        "slow_down()\n"
        "import distributed.core\n"
        "print(distributed.core.tick_maximum_delay > TICK_S)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
