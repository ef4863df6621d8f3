"""What another account of this host gets of a service. Needs root, who can be another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

#: Of Debian's ``nobody``.
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another account is only root's to be")

#: Which of the files that are named on its standard input can be read.
_READABLE = 'while IFS= read -r file; do [ -r "$file" ] && echo "$file"; done; :'
#: All that processes show of themselves to others.
_SHOWN = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; :"
#: Asks web servers as another account: the interpreter itself may lie where that one may not go.
_ASK = """
import encodings.idna, http.client, json, os, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
said = []
for host, port, method, path in json.load(sys.stdin):
    try:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        connection.request(method, path, "{}" if method == "POST" else None, {"Content-Type": "application/json"})
        said.append(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        said.append(None)
print(json.dumps(said))
"""


def as_nobody(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """What a command prints that another account runs."""
    return subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], input=text, capture_output=True, text=True, timeout=60,
        check=False, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, cwd="/", errors="replace",
    )  # fmt: skip


def is_shown(secret: str) -> bool:
    """Whether another account finds it on a command line, or in an environment."""
    assert f"{os.getpid()}" in as_nobody("ls", "/proc").stdout.split()
    return secret in as_nobody("sh", "-c", _SHOWN).stdout


def open_files(*folders: Path) -> list[str]:
    """The files in these folders that another account can read, and the sockets and pipes."""
    files = [str(path) for folder in folders for path in folder.rglob("*") if not path.is_dir()]
    assert files
    return as_nobody("sh", "-c", _READABLE, text="\n".join([*files, ""])).stdout.splitlines()


def answers(questions: Iterable[tuple[str, int, str, str]]) -> Sequence[int | None]:
    """The status of each answer to another account: of (host, port, method, path); None: that was no web server."""
    done: Any = subprocess.run(
        [sys.executable, "-c", _ASK, str(NOBODY)], input=json.dumps([*questions]), capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    return list(json.loads(done.stdout))
