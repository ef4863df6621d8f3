"""The authority of a ResourceManager's proxy, put where it looks for that of its last life.

Each first life makes one, whether an application asks for certificates or not: half of its start is the search for
primes, which OpenSSL does in a tenth of a second. The names of the folders are those of Hadoop's
``FileSystemRMStateStore``; one that they are not found by makes its own.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from pilothouse.registry.line.tls import authority
from pilothouse.state import make_private, write_atomic

_FOLDER = Path("FSRMStateRoot", "ProxyCARoot")
#: Longer than any pilot.
LIFE = timedelta(days=3650)
#: Bits, as Hadoop has them.
BITS = 2048


def put(store: Path) -> None:
    """Make it in the store of a ResourceManager's state; that which is there stays."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    folder = store / _FOLDER
    if folder.exists():
        return
    key = rsa.generate_private_key(65537, BITS)
    certificate = authority("YARN's proxy", key.public_key(), LIFE).sign(key, hashes.SHA256())
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.DER
    made = make_private(store / f".{os.getpid()}")
    write_atomic(made / "caPrivateKey", key.private_bytes(encoding, form, serialization.NoEncryption()))
    write_atomic(made / "caCert", certificate.public_bytes(encoding))
    make_private(folder.parent)
    made.rename(folder)
