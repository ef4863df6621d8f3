"""Certificates for a pilot's Dask port: made for the pilot, kept in its folder (mode 0600), and gone with it."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.registry.folders import CERTIFICATE, KEY
from pilothouse.state import utcnow, write_atomic

if TYPE_CHECKING:
    from cryptography import x509

#: How long it is valid: a lease can be prolonged, to a year in all, and nodes have no other one.
VALID = timedelta(days=367)


def tls_files(folder: Path) -> dict[str, str]:
    """Where a pilot's certificate and key are: ``tls_ca``, ``tls_cert``, ``tls_key``."""
    certificate = str(folder / CERTIFICATE)
    return {"tls_ca": certificate, "tls_cert": certificate, "tls_key": str(folder / KEY)}


def make_certificate(folder: Path) -> dict[str, str]:
    """Make a self-signed certificate that scheduler, workers and clients of one pilot share.

    Whoever can read the key file is the user; there is no other party on this port.

    Returns
    -------
    dict
        ``tls_ca``, ``tls_cert``, ``tls_key``: paths.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        authority("pilothouse pilot", key.public_key(), VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / CERTIFICATE, folder / KEY
    write_atomic(cert_path, certificate.public_bytes(serialization.Encoding.PEM))
    write_atomic(
        key_path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return tls_files(folder)


def authority(name: str, key: Any, life: timedelta) -> x509.CertificateBuilder:
    """A certificate, not signed yet, of who vouches for itself and for others, from now on for so long."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    named, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), utcnow()
    return (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of nodes differ
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )


def clock_trouble(certificate: Path) -> str:
    """What to say when, by this host's clock, a pilot's certificate is not valid: others' clocks differ; else empty."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return ""
    now = utcnow()
    if found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        return ""
    when = "not valid yet" if now < found.not_valid_before_utc else "valid no more"
    return (
        f"by the clock of this host, {now:%Y-%m-%d %H:%M} UTC, the pilot's certificate is {when}: this clock and that "
        "of the supervisor's host differ by more than an hour, or the lease is over"
    )


def security(tls: dict[str, str]) -> Any:
    """Dask's ``Security`` for these files: nothing unencrypted, nobody without the certificate."""
    from distributed.security import Security

    return Security(
        require_encryption=True,
        tls_ca_file=tls["tls_ca"],
        tls_client_cert=tls["tls_cert"],
        tls_client_key=tls["tls_key"],
        tls_scheduler_cert=tls["tls_cert"],
        tls_scheduler_key=tls["tls_key"],
        tls_worker_cert=tls["tls_cert"],
        tls_worker_key=tls["tls_key"],
    )
