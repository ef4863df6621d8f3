"""Spark's properties: which the user may set, and their file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.state import write_atomic

#: What sessions and daemons need as it is: who sets it breaks them, or lets others in.
OURS = (
    "spark.master", "spark.remote", "spark.authenticate", "spark.network.crypto.", "spark.io.encryption.",
    "spark.driver.host", "spark.driver.bindAddress", "spark.ui.", "spark.deploy.", "spark.submit.", "spark.pyspark.",
    "spark.yarn.jars", "spark.yarn.archive", "spark.yarn.maxAppAttempts", "spark.acls.", "spark.admin.acls",
    "spark.connect.authenticate.", "spark.connect.grpc.binding.",
)  # fmt: skip
#: As Spark's own ``spark.redaction.regex``, and a word more.
_SECRET = re.compile(r"secret|password|token|access[.]?key|credential", re.IGNORECASE)
_NAME = re.compile(r"spark\.[\w.*-]+")


def properties(given: Mapping[Any, object], *, secrets: bool) -> dict[str, str]:
    """`given` as Spark reads them: booleans in small letters, all else as text.

    Parameters
    ----------
    secrets
        Whether those that name a secret are taken.

    Raises
    ------
    ValueError
        One is no property of Spark's, is not the user's to set, or is a secret in the wrong place.
    """
    read: dict[str, str] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no property of Spark's; they begin with 'spark.'")
        if name.startswith(OURS):
            raise ValueError(f"{name} is not for users to set: the service does")
        if not secrets and _SECRET.search(name):
            raise ValueError(
                f"{name} looks like a secret, and what a service is started with is kept: give it to .client(conf)"
            )
        if not isinstance(value, str | int | float):  # a bool is an int
            raise ValueError(f"{name}: text, a number, True or False, not {value!r}")
        read[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return read


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write ``spark-defaults.conf``, readable by the user alone from its first byte on; it has secrets in it."""
    write_atomic(path, "".join(f"{name}={_escaped(value)}\n" for name, value in values.items()).encode())


def _escaped(value: str) -> str:
    """As Java reads properties: a backslash and ends of lines are written; Spark strips blanks around by itself."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def guarded(secret: str) -> dict[str, str]:
    """What all processes of a service must have alike: nobody without the secret gets in, or reads along."""
    return {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secret,
        "spark.network.crypto.enabled": "true",
    }


def leaving() -> dict[str, str]:
    """How executors give what they have to others, before their node goes."""
    return {
        "spark.decommission.enabled": "true",
        "spark.storage.decommission.enabled": "true",
        "spark.storage.decommission.rddBlocks.enabled": "true",
        "spark.storage.decommission.shuffleBlocks.enabled": "true",
        "spark.storage.decommission.replicationReattemptInterval": "1s",  # not 30 s: an executor waits for a round
    }
