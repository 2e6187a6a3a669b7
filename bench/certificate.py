"""A certificate of `localhost` for servers over TLS, from an authority of its own: some clients take no authority's
certificate for a server's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_HOST: Final = "localhost"
_AUTHORITY: Final = "authority.localhost"


@contextmanager
def certified() -> Iterator[tuple[Path, Path]]:
    """Files of certificate and key, good for a day; this process and those it starts trust the authority meanwhile."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with tempfile.TemporaryDirectory() as folder:
        root, *files = (Path(folder) / name for name in ("authority.pem", "certificate.pem", "key.pem"))
        root.write_bytes(_signed(_AUTHORITY, authority.public_key(), authority))
        files[0].write_bytes(_signed(_HOST, key.public_key(), authority))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
        with _trusted(root):
            yield files[0], files[1]


def _signed(name: str, key: ec.EllipticCurvePublicKey, by: ec.EllipticCurvePrivateKey) -> bytes:
    """As PEM, with all that strict clients ask for."""
    now, is_authority = datetime.now(UTC), name == _AUTHORITY
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder(_common(_AUTHORITY), _common(name), key, x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _common(name: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(f"CN={name}")


@contextmanager
def _trusted(certificate: Path) -> Iterator[None]:
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(certificate)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
