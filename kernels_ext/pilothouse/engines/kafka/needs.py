"""What a broker needs of its node, and what its roles are called."""

from __future__ import annotations

from pilothouse.errors import InvalidInput

#: Bytes that a broker takes besides its heap: classes, threads, buffers.
BESIDES = 192 << 20
LEAST_JAVA = 17
CONTROLLER, BROKER = "controller", "broker"


def too_large(heap: int, memory: int, where: str) -> InvalidInput:
    """The error where a broker does not fit."""
    return InvalidInput(
        f"heap={heap >> 20} MiB: a broker needs {heap + BESIDES >> 20} MiB with it, and {where} has {memory >> 20} MiB",
        field="heap",
    )
