"""A node's folder for temporary files: its own, and what killed nodes have left of theirs."""

from __future__ import annotations

import glob
import json
import os
import shutil
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pilothouse import remains
from pilothouse.state import make_private

#: The file in a node's folder that says whose it is.
OWNER = "owner.json"


def folders(scratch: str) -> Path:
    """The folder of this host in which nodes have theirs, below `scratch` (variables of the host are filled in)."""
    base = Path(os.path.expandvars(scratch) if scratch else tempfile.gettempdir())
    return base / f"pilothouse-{os.getuid()}" / "nodes"


def remove_left(parent: Path) -> None:
    """Remove what killed nodes of this host have left in `parent`, once their pilot can't be gone on with."""
    here = _here()
    for path in parent.glob(f"*{glob.escape(here)}"):
        pid = path.name.removesuffix(here).rpartition(".")[2]
        if pid.isdecimal() and not remains.lives(int(pid)):
            # What Dask put aside is worth nothing without its worker; a stream's log is, to who goes on with it.
            shutil.rmtree(path / "dask-scratch-space" if _may_be_wanted(path) else path, ignore_errors=True)


def _here() -> str:
    return f"@{socket.gethostname()}"


def _may_be_wanted(folder: Path) -> bool:
    """Whether the pilot of a killed node goes on, or can be gone on with until its lease is over."""
    try:
        record = json.loads(Path(json.loads((folder / OWNER).read_bytes())["record"]).read_bytes())
        lease_end = datetime.fromisoformat(record["lease_end"] or "")
        return record["state"] not in ("finished", "failed", "draining") and lease_end > datetime.now(UTC)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def own_folder(name: str, scratch: str) -> Path:
    """Where the node has its temporary files. Its name says whose it is, for hosts may share the scratch folder."""
    parent = folders(scratch)
    make_private(parent)
    remove_left(parent)
    return parent / f"{name}.{os.getpid()}{_here()}"
