from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from pilothouse.engines.hadoop import proxy_ca


def test_the_authority_of_the_proxy_is_there_before_the_first_life(tmp_path: Path) -> None:
    proxy_ca.put(tmp_path)
    (folder,) = tmp_path.glob("*/*")
    assert folder.relative_to(tmp_path).as_posix() == "FSRMStateRoot/ProxyCARoot"  # where Hadoop 3.5 looks
    read = {path.name: path.read_bytes() for path in folder.iterdir()}
    key, certificate = load_der_private_key(read["caPrivateKey"], None), x509.load_der_x509_certificate(read["caCert"])
    assert certificate.public_key() == key.public_key()
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")} == {0}
    proxy_ca.put(tmp_path)  # the ResourceManager is started again
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == read
    assert list(tmp_path.iterdir()) == [folder.parent]
