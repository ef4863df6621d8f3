"""A folder in which a Kafka's data stays: who was there, with which ports, and the secrets to go on with it."""

from __future__ import annotations

import json
import os
import secrets as random
import shutil
from collections.abc import Mapping
from pathlib import Path

from pilothouse.engines.kafka.storage import new_id
from pilothouse.errors import InvalidInput

SECRETS = "secrets.json"
PORTS = "ports.json"


def secrets(keep: str | None) -> dict[str, str]:
    """What a service begins with: new ones, or those of the cluster whose data is kept there, and which brokers that had.

    Not all of it is secret, but all members have to know it before any of them is there.
    """
    if keep is None:
        return _new() | {"kept": "[]"}
    folder = Path(keep)
    file = folder / SECRETS
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: dict[str, str] = json.loads(file.read_bytes()) if file.exists() else _new()
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                json.dump(found, opened)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"keep={keep!r}: {error}", field="keep") from None
    return found | {"kept": json.dumps(ids(folder))}


def _new() -> dict[str, str]:
    return {"password": random.token_urlsafe(32), "node": random.token_urlsafe(32), "cluster": new_id()}


def check(keep: str | None, nodes: int) -> None:
    """Whether what is kept there can be gone on with on so many nodes.

    Raises
    ------
    InvalidInput
        There were more or fewer members, or it is no such folder.
    """
    if keep is None:
        return
    folder = Path(keep)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InvalidInput(f"keep={keep!r}: not a folder", field="keep")
    there = ids(folder)
    if not there and any(folder.iterdir()) and not (folder / SECRETS).exists():
        raise InvalidInput(
            f"keep={keep!r}: has files that are no Kafka's; name an empty folder, or a new one", field="keep"
        )
    if there and nodes != len(there):
        raise InvalidInput(
            f"nodes={nodes}: {keep} has the data of {len(there)} brokers, each of which has to come back: "
            f"start it with nodes={len(there)}, then extend or shrink it",
            field="nodes",
        )


def ids(folder: Path) -> list[int]:
    """The brokers whose data is kept there."""
    if not folder.is_dir():
        return []
    return sorted(int(each.name) for each in folder.iterdir() if each.name.isdigit() and each.is_dir())


def broker_id(secrets: Mapping[str, str], member: int) -> int:
    """The broker that a member is: itself, but where a service goes on with what was kept of brokers before it."""
    kept = json.loads(secrets["kept"])
    if member <= len(kept):
        return int(kept[member - 1])
    return member - len(kept) + max(kept, default=0)


def of(keep: str, broker: int) -> Path:
    """A broker's own folder in there, made if need be."""
    folder = Path(keep) / str(broker)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def ports(folder: Path, chosen: Mapping[str, int]) -> dict[str, int]:
    """The ports that a kept broker has for good: others have its controller's in their metadata."""
    file = folder / PORTS
    if file.exists():
        found: dict[str, int] = json.loads(file.read_bytes())
        return found
    file.write_text(json.dumps(dict(chosen)))
    return dict(chosen)


def remove(keep: str, broker: int) -> None:
    """A broker has left, and what it had is with the others."""
    shutil.rmtree(Path(keep) / str(broker), ignore_errors=True)
