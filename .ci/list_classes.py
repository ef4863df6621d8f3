"""Makes the list of the classes that an engine's programs load, from which its class-data archive is made.

To renew one: start the engine with ``JAVA_TOOL_OPTIONS=-XX:DumpLoadedClassList=/tmp/NAME.%p.classes`` in the pilot's
environment and without an archive, use it, stop it; then ``python .ci/list_classes.py NAME /tmp/NAME.*.classes``.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from pilothouse.engines.jvm.archives import CLASSES


def main(name: str, *lists: str) -> None:
    """Merge what the programs have loaded."""
    # In the order in which they were loaded first: the virtual machine reads what a class is derived from before it.
    lines = dict.fromkeys(line for path in lists for line in Path(path).read_text().splitlines())
    CLASSES.mkdir(exist_ok=True)
    (CLASSES / f"{name}.gz").write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 9, mtime=0))
    print(f"{name}: {len(lines)} classes")


if __name__ == "__main__":
    main(*sys.argv[1:])
