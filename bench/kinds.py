"""Calls of several kinds: own work, short and long answers, signed, over TLS.

    python -m bench.kinds [--rounds 9] [--scale 1.0]

Ours and what it is held against work in turns in this process; the provider is another.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from bench.baselines import aiohttp_call, httpx_client, sequential
from bench.candidate import KINDS, engine_call
from bench.contestants.job import at_once
from bench.jobs import FEE, LONG, SHORT, SIGNED, Job
from bench.measure import MIN_ROUNDS, compare
from bench.naive import naive
from bench.quick import opened
from bench.rows import Row, Target, told
from bench.upstream import upstream

WIDTH = 32
_OWN = "Own work, the answer from memory"
_WIRE = "Over the wire"
_NAIVE = "jsonschema, Jinja2, jmespath, SQLite"


def rows(*, rounds: int = MIN_ROUNDS, scale: float = 1.0) -> Iterator[Row]:
    """Calls grow with `scale`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield from _own(runner, rounds, scale)
        for job, name in ((SHORT, "2 kB"), (LONG, "112 kB"), (SIGNED, "signed with HMAC-SHA256")):
            with upstream(job) as origin:
                yield from _wire(runner, job, origin, name, rounds, scale)
                if job is SIGNED:
                    yield _keyed(runner, origin, rounds, scale)
        with certified() as tls, upstream(FEE, tls) as origin:
            yield from _wire(runner, FEE, origin, "over TLS", rounds, scale)


def _own(runner: asyncio.Runner, rounds: int, scale: float) -> Iterator[Row]:
    for job, name, calls, target in (
        (FEE, "a fee, 612 bytes", 1000, Target(must=0.5, goal=0.25, moonshot=0.15)),
        (LONG, "a list, 112 kB", 20, Target(must=0.3, goal=0.1, moonshot=0.06)),
    ):
        kind = KINDS[job.name]
        with opened(runner, engine_call(None, kind)) as ours, naive(kind) as usual:
            found = compare(usual, sequential(runner, ours), calls=_calls(calls, scale), rounds=rounds)
        yield Row.compared(_OWN, name, _NAIVE, found, target)


def _wire(runner: asyncio.Runner, job: Job, origin: str, name: str, rounds: int, scale: float) -> Iterator[Row]:
    calls = 40 if job is LONG else 250
    with opened(runner, engine_call(origin, KINDS[job.name])) as ours:
        with httpx_client(origin, job) as usual:
            found = compare(usual, sequential(runner, ours), calls=_calls(calls, scale), rounds=rounds)
        yield Row.compared(_WIRE, f"{name}, one after the other", "httpx.Client, by hand", found)
        with opened(runner, aiohttp_call(origin, job)) as usual_call:
            many = at_once(runner, usual_call, WIDTH)
            found = compare(many, at_once(runner, ours, WIDTH), calls=_calls(4 * calls, scale), rounds=rounds)
        yield Row.compared(_WIRE, f"{name}, {WIDTH} in flight", "aiohttp on uvloop, by hand", found)


def _keyed(runner: asyncio.Runner, origin: str, rounds: int, scale: float) -> Row:
    """The intent is on disk, with fsync, before the request leaves; so is the answer before it is given."""
    with (
        opened(runner, engine_call(origin, KINDS[SIGNED.name], keyed=True)) as ours,
        httpx_client(origin, SIGNED) as usual,
    ):
        found = compare(usual, sequential(runner, ours), calls=_calls(100, scale), rounds=rounds)
    name = "signed, each under an Idempotency-Key, one after the other"
    return Row.compared(_WIRE, name, "httpx.Client, by hand, without any", found)


def _calls(base: int, scale: float) -> int:
    return max(round(base * scale), 1)


@contextmanager
def certified() -> Iterator[tuple[Path, Path]]:
    """Certificate and key of `localhost`, which this process trusts meanwhile; they live a day."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
        with _trusted(files[0]):
            yield files


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


if __name__ == "__main__":
    sys.exit(told(rows, __doc__))
