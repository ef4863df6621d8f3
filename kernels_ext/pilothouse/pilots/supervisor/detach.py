"""``python -m pilothouse.pilots.supervisor.detach NAME``: become the supervisor of pilot NAME, nobody's child."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    from pilothouse.registry.liveness import announce

    announce(sys.argv[1])
    from pilothouse.pilots.queues.protocols import ONE_BLAS_THREAD

    os.environ.update(ONE_BLAS_THREAD)  # read when numpy is imported
    from pilothouse.pilots.supervisor.owner import main

    main(sys.argv[1])
