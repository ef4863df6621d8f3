"""Ray's own command, but for the server of Ray's client: ``python -m pilothouse.engines.ray.command start ...``.

``ray start`` starts that server wherever gRPC is installed, and offers no way to leave it out. It takes as much
computing as two of Ray's other processes, at the time when all of them start; and drivers are on the nodes here.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Do what the arguments say, as where gRPC is not installed: Ray itself does without."""
    sys.modules["grpc"] = None  # type: ignore[assignment]  # so Python says that there is none of this name
    from ray.scripts import scripts

    scripts.main()


if __name__ == "__main__":
    main()
