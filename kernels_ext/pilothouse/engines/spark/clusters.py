"""What a session needs to know of where its executors are: a service of Spark's own, or a YARN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pilothouse.engines.spark.pages import closed
from pilothouse.engines.spark.properties import guarded, leaving

MIB = 1 << 20
#: Of all of Spark's virtual machines: nothing in the system's temporary folder, and no other family of addresses.
JVM = "-XX:-UsePerfData -Djava.net.preferIPv4Stack=true"


@dataclass(frozen=True)
class Cluster:
    """Where executors are.

    Attributes
    ----------
    name, created
        Of the service.
    address
        Of the master, or of YARN's ResourceManager: by the way there this host is reached.
    spark, python, interpreter
        On the nodes: the versions of pyspark and of Python, and the Python itself.
    memory
        Bytes of an executor.
    own
        Properties that make sessions this one's, which nobody else sets.
    conf
        Properties of all sessions, which one may have otherwise.
    environment
        Variables of the driver.
    """

    name: str
    created: datetime
    address: str
    spark: str
    python: str
    interpreter: str
    memory: int
    own: Mapping[str, str]
    conf: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)


def standalone(address: str, secret: str) -> dict[str, str]:
    """Properties of sessions with a service that has this master and secret."""
    return {
        **leaving(), **guarded(secret), **closed(secret), "spark.master": address, "spark.ui.enabled": "true",
        "spark.ui.port": "0",
    }  # fmt: skip
