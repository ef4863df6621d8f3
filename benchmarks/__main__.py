"""``python -m benchmarks NAME [--json FILE]``: exit code 1 when a bound does not hold."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import signal
import sys
from pathlib import Path

import benchmarks
from benchmarks.rows import table

NOT_BENCHMARKS = {"__main__", "fake", "home", "numbered", "rows"}


def main() -> int:
    """Run one benchmark, print its table."""
    found = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - NOT_BENCHMARKS
    names = sorted(name.replace("_", "-") for name in found)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("name", choices=names, type=lambda name: name.replace("_", "-"))
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # pilots and daemons end with their with-blocks
    rows = importlib.import_module(f"benchmarks.{arguments.name.replace('-', '_')}").rows()
    print(table(rows))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
