"""The authority of a ResourceManager's proxy, put where it looks for that of its last life.

Each first life makes one, whether an application asks for certificates or not: half of its start is the search for
primes, which OpenSSL does in a tenth of a second. The names of the folders are those of Hadoop's
``FileSystemRMStateStore``; one that they are not found by makes its own.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pilothouse.state import make_private, write_atomic

_FOLDER = Path("FSRMStateRoot", "ProxyCARoot")
#: Longer than any pilot.
LIFE = timedelta(days=3650)
#: Bits, as Hadoop has them.
BITS = 2048


def put(store: Path) -> None:
    """Make it in the store of a ResourceManager's state; that which is there stays."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    folder = store / _FOLDER
    if folder.exists():
        return
    key = rsa.generate_private_key(65537, BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "YARN's proxy")])
    begins = datetime.now(UTC) - timedelta(days=1)  # of hosts whose clocks differ
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.DER
    made = make_private(store / f".{os.getpid()}")
    write_atomic(made / "caPrivateKey", key.private_bytes(encoding, form, serialization.NoEncryption()))
    write_atomic(made / "caCert", certificate.public_bytes(encoding))
    make_private(folder.parent)
    made.rename(folder)
