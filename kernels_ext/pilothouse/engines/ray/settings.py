"""The settings of Ray."""

from __future__ import annotations

from pydantic import ByteSize, Field

from pilothouse.engines.settings import Settings

#: Less than this, and Ray does not start: bytes.
LEAST_STORE = 100 * 10**6


class RaySettings(Settings):
    """What ``pilot.start("ray", ...)`` takes."""

    object_store: ByteSize | None = Field(
        None,
        ge=LEAST_STORE,
        title="Object store",
        description="Memory for objects on each node, such as 2GiB; 30 % of the node's when left out. "
        "What is more goes to the node's disk.",
    )
    public: bool = Field(
        False,
        title="On public interfaces",
        description="Ray's daemons listen on all interfaces of their nodes. Start them where one of these has an "
        "address of the internet, too; the token is then all that keeps others out.",
    )
