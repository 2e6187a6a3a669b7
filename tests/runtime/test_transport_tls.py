"""TLS: the certificate must be in time, for this name, and of somebody who is trusted."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.errors import AnswerLost, ConnectFailed
from engine.runtime.transport import HttpTransport
from tests.support.wire import OK, Peer, Talk, get, saying, sent

DAY = timedelta(days=1)


@dataclass
class Authority:
    """Signs certificates; `file` is what a client trusts it by."""

    folder: Path
    name: str = "ca"

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {self.name}")])
        made = self._begun(self.subject, self.key, DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * DAY)
            .not_valid_after(now + until)
        )

    def server(self, *names: str, until: timedelta = DAY) -> ssl.SSLContext:
        """A server's side with a certificate for these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
        made = self._begun(subject, key, until).add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
        )
        file = self.folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The only one that is trusted."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return made


@pytest.fixture
async def wire() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(allow_private=True)
    yield made
    await made.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_for_the_name_that_is_called_is_accepted(
    wire: HttpTransport, authority: Authority, host: str
) -> None:
    async with Peer(saying(OK), tls=authority.server(host)) as peer:
        for _ in range(2):
            answer = await sent(wire, get(peer.origin.replace("127.0.0.1", host)))
            assert answer.body == b"ok"
        assert peer.connections == 1


async def test_a_body_that_the_end_of_the_connection_ends_comes_whole(
    wire: HttpTransport, authority: Authority
) -> None:
    body = b"ab" * 100_000
    script = saying(b"HTTP/1.1 200 OK\r\n\r\n" + body, stays=False)
    async with Peer(script, tls=authority.server("127.0.0.1")) as peer:
        assert (await sent(wire, get(peer.origin))).body == body


async def test_an_answer_that_is_cut_off_is_lost(wire: HttpTransport, authority: Authority) -> None:
    script = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", stays=False)
    async with Peer(script, tls=authority.server("127.0.0.1")) as peer:
        with pytest.raises(AnswerLost):
            await sent(wire, get(peer.origin))


@pytest.mark.parametrize("fault", ["another name", "expired", "not trusted"])
async def test_whom_nobody_vouches_for_is_sent_nothing(
    wire: HttpTransport, authority: Authority, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "other").mkdir()
    tls = {
        "another name": lambda: authority.server("other.example", "127.0.0.2"),
        "expired": lambda: authority.server("127.0.0.1", until=-DAY),
        "not trusted": lambda: Authority(tmp_path / "other", "stranger").server("127.0.0.1"),
    }[fault]()
    async with Peer(saying(OK), tls=tls) as peer:
        for _ in range(3):
            with pytest.raises(ConnectFailed, match="TLS failed"):
                await sent(wire, get(f"https://127.0.0.1:{peer.port}"), timeout=5.0)
        assert peer.requests == []
        assert wire._pool._count == 0


async def test_a_plain_server_that_answers_first_is_not_taken_for_tls(
    wire: HttpTransport, authority: Authority
) -> None:
    async def script(talk: Talk) -> None:
        await talk.say(OK)
        await talk.hang_up()

    async with Peer(script) as peer:
        with pytest.raises(ConnectFailed, match="TLS failed"):
            await sent(wire, get(f"https://127.0.0.1:{peer.port}"))


async def test_https_and_http_to_one_port_share_no_connection(wire: HttpTransport, authority: Authority) -> None:
    async with Peer(saying(OK), tls=authority.server("127.0.0.1")) as peer:
        assert (await sent(wire, get(peer.origin))).body == b"ok"
        with pytest.raises(AnswerLost):
            await sent(wire, get(f"http://127.0.0.1:{peer.port}"))
        assert len(peer.requests) == 1
