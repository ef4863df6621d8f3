"""``python -m pilothouse.pilots.node.ended NODE PID``: end what a node's process, which has died, has left on its host.

Where a node is a job of its own, the batch system does that.
"""

from __future__ import annotations

import asyncio
import sys

from pilothouse.pilots.node.node import after_death

if __name__ == "__main__":
    asyncio.run(after_death(sys.argv[1], int(sys.argv[2])))
