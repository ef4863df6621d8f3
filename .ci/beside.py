"""Runs commands beside each other: ``python .ci/beside.py NAME COMMAND NAME COMMAND ...``; 1 when one of them fails.

What each says goes to ``build/NAME.log`` and is printed in one piece when all have ended: those that failed come last.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE_S = 60.0


def main(words: list[str]) -> int:
    """Run them; what was begun is ended where this is interrupted."""
    if not words or len(words) % 2:
        print(__doc__, file=sys.stderr)
        return 2
    logs = Path("build")
    logs.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    running: dict[str, subprocess.Popen[bytes]] = {}
    codes: dict[str, int] = {}
    try:
        for name, command in zip(words[::2], words[1::2], strict=True):
            with (logs / f"{name}.log").open("wb") as log:
                running[name] = subprocess.Popen(
                    ["/bin/sh", "-c", command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # a process group, which an interrupt ends as a whole
                )
        while running:
            for name in [name for name, process in running.items() if process.poll() is not None]:
                codes[name] = running.pop(name).returncode
                print(f"{name}: exit code {codes[name]} after {time.monotonic() - begun:.0f} s", flush=True)
            time.sleep(0.2)
    finally:
        _end(running)
    for name in sorted(codes, key=lambda name: codes[name] != 0):
        print(f"\n===== {name}: exit code {codes[name]} =====", flush=True)
        print((logs / f"{name}.log").read_text(encoding="utf-8", errors="replace"), end="", flush=True)
    failed = [name for name, code in codes.items() if code]
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall passed")
    return int(bool(failed))


def _end(running: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in running.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in running.values():
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
