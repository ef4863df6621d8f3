"""What users may set of a YARN."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, Field

from pilothouse.engines.settings import MIB, Bytes, Settings
from pilothouse.errors import InvalidInput, PilothouseError


def _named(value: Any) -> Any:
    """A service may be given as itself, and so may a site's HDFS."""
    if isinstance(value, Path):
        return str(value)
    return getattr(value, "name", str(getattr(value, "conf_dir", "")) or value)


class YARNSettings(Settings):
    """Settings of ``pilot.start("yarn", ...)``."""

    memory: Bytes | None = Field(
        default=None, ge=256 * MIB, title="Memory",
        description="Of each node, for containers. Empty: what the node has, but for the daemons' heaps.",
    )  # fmt: skip
    cores: int | None = Field(
        default=None, ge=1, le=4096, title="Cores", description="Of each node, for containers. Empty: all of them."
    )
    least_memory: Bytes = Field(
        default=ByteSize(64 * MIB), ge=MIB, le=1 << 40, validate_default=True, title="Least memory",
        description="Of a container; others are multiples of it.",
    )  # fmt: skip
    resourcemanager_heap: Bytes = Field(
        default=ByteSize(512 * MIB), ge=128 * MIB, le=64 << 30, validate_default=True, title="Heap of ResourceManager",
        description="It holds what is known of all applications.",
    )  # fmt: skip
    nodemanager_heap: Bytes = Field(
        default=ByteSize(256 * MIB), ge=128 * MIB, le=64 << 30, validate_default=True, title="Heap of a NodeManager",
        description="Containers are processes of their own, beside it.",
    )  # fmt: skip
    hdfs: Annotated[str, BeforeValidator(_named)] = Field(
        default="", title="HDFS",
        description="The default file system: a running HDFS service, a URL such as hdfs://host:port, or the folder of "
        "a site's configuration. Empty: the file system that the nodes share.",
    )  # fmt: skip
    unprotected: bool = Field(
        default=False, title="Unprotected",
        description="Start it also where others are on the nodes: YARN believes what clients say of themselves, and "
        "who reaches its ports runs programs in your name.",
    )  # fmt: skip


def default_file_system(hdfs: str) -> tuple[str, dict[str, str]]:
    """The URL of what :func:`file_system` has found, and what ``hdfs-site.xml`` has to say of it.

    Raises
    ------
    InvalidInput
        The folder is none of an HDFS's.
    """
    if not hdfs.startswith("/"):
        return hdfs, {}
    from pilothouse.engines.hadoop import name_nodes
    from pilothouse.engines.hadoop.conf_dir import conf_dir, properties

    folder = conf_dir(hdfs, "core-site.xml")
    said = properties(folder, *name_nodes.FILES)
    return name_nodes.of(folder)[0], {key: value for key, value in said.items() if key.startswith("dfs.")}


def file_system(hdfs: str) -> str:
    """The address of the file system that is meant, or the folder of its configuration; empty where none is.

    Raises
    ------
    InvalidInput
        No HDFS of that name serves; the folder is none of an HDFS's.
    """
    if hdfs.startswith(("/", "~")):
        folder = Path(hdfs).expanduser()
        default_file_system(str(folder))
        return str(folder)
    if not hdfs or re.fullmatch(r"[a-z][a-z0-9+.-]*://\S*", hdfs):
        return hdfs
    from pilothouse.engines.service import Service

    try:
        service = Service(hdfs)
        if service.engine != "hdfs":
            raise InvalidInput(f"hdfs={hdfs!r}: that is a service of {service.engine}", field="hdfs")
        return service.address
    except InvalidInput:
        raise
    except (PilothouseError, KeyError) as error:
        raise InvalidInput(
            f"hdfs={hdfs!r}: no HDFS of that name serves ({error}); start one with pilot.start('hdfs')", field="hdfs"
        ) from None
