"""The operator's settings: environment variables, and the command line's flags over them.

    data_dir                 INTEGRATIONS_DATA_DIR            database, token and key files
    cache_dir                INTEGRATIONS_CACHE_DIR           what was found out about specs (`<data-dir>/cache`)
    token                    INTEGRATIONS_TOKEN               service token; None = the one in `<data-dir>/token`
    public_url               INTEGRATIONS_PUBLIC_URL          base of webhook, redirect and logo URLs
    redirect_urls            INTEGRATIONS_REDIRECT_URLS       pages for after a consent, and below; commas between
    auth                     INTEGRATIONS_AUTH                token | sigv4 | both: how callers prove who they are
    policy                   INTEGRATIONS_POLICY              file: who may do what for which tenants
    sigv4_region             INTEGRATIONS_SIGV4_REGION        that signatures are made for (us-east-1)
    master_keys              INTEGRATIONS_MASTER_KEY          base64 of 32 bytes, newest first, commas between
    storage                  INTEGRATIONS_STORAGE             sqlite | aws
    aws_kms_key              INTEGRATIONS_AWS_KMS_KEY         the customer's own key for secrets (AWS's own)
    wake_queue               INTEGRATIONS_WAKE_QUEUE          URL of the SQS queue that wakes who delivers, on Lambda
    host, port               INTEGRATIONS_HOST, _PORT         where `serve` listens
    tenant_calls_per_minute  INTEGRATIONS_TENANT_LIMIT        per tenant, over all integrations
    retention_days           INTEGRATIONS_RETENTION_DAYS      of the execution log
    time_budget_seconds      INTEGRATIONS_TIME_BUDGET         of one call, retries and waits included
    max_request_bytes        INTEGRATIONS_MAX_REQUEST_BYTES   body of a request to us
    max_answer_bytes         INTEGRATIONS_MAX_ANSWER_BYTES    answer of a provider
    max_output_bytes         INTEGRATIONS_MAX_OUTPUT_BYTES    mapped output of an action
    upstreams                INTEGRATIONS_UPSTREAMS           ID=ORIGIN, commas between
    sandbox, allow_private   INTEGRATIONS_SANDBOX, _ALLOW_PRIVATE
    specs_dirs               INTEGRATIONS_SPECS_DIRS          more folders with specs, PATH style
    log                      INTEGRATIONS_LOG                 a line per call and attempt on stderr (on)

An empty variable counts as absent. No message repeats a value.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from engine.errors import SettingsError
from engine.frozen import frozen

Storage = Literal["sqlite", "aws"]
Auth = Literal["token", "sigv4", "both"]
MASTER_KEY_BYTES: Final = 32
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@frozen
class Settings:
    """Checked settings; build them with `from_environment`. Sizes in bytes. Safe to print."""

    data_dir: Path = Path(".data")
    cache_dir: Path | None = None
    token: str | None = field(default=None, repr=False)
    public_url: str = "http://127.0.0.1:8400"
    redirect_urls: tuple[str, ...] = ()
    auth: Auth = "token"
    policy: Path | None = None
    sigv4_region: str = "us-east-1"
    master_keys: tuple[bytes, ...] = field(default=(), repr=False)
    storage: Storage = "sqlite"
    aws_kms_key: str | None = None
    wake_queue: str | None = None
    host: str = "127.0.0.1"
    port: int = 8400
    tenant_calls_per_minute: int = 1000
    retention_days: int = 30
    time_budget_seconds: float = 28.0
    max_request_bytes: int = 256 * 1024
    max_answer_bytes: int = 5 * 1024 * 1024
    max_output_bytes: int = 1024 * 1024
    upstreams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sandbox: bool = False
    allow_private: bool = False
    specs_dirs: tuple[Path, ...] = ()
    log: bool = True

    @property
    def kept_in(self) -> Path:
        """Where what was found out about specs is kept from one process to the next."""
        return self.data_dir / "cache" if self.cache_dir is None else self.cache_dir

    @staticmethod
    def from_environment(env: Mapping[str, str], **overrides: Any) -> Settings:
        """Settings from `env`; an override (a flag; None = not given) beats its variable and is checked like it.

        Raises `SettingsError` that names the variable and what to write there.
        """
        if strange := overrides.keys() - _VARIABLES.keys():
            raise TypeError(f"no such setting: {', '.join(sorted(strange))}")
        values: dict[str, Any] = {}
        for name, (variable, read) in _VARIABLES.items():
            given = overrides.get(name)
            given = env.get(variable, "").strip() if given is None else given
            if given != "":
                values[name] = _read(variable, read, given)
        settings = Settings(**values)
        if "public_url" in values:
            return settings
        return Settings(**values, public_url=_local_url(settings.host, settings.port))


def _read(variable: str, read: Callable[[Any], Any], given: Any) -> Any:
    try:
        return read(given)
    except (ValueError, TypeError) as error:
        # `from None`: the cause may quote the value.
        raise SettingsError(f"{variable} {error}") from None


def _local_url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _path(given: Any) -> Path:
    return Path(given).expanduser()


def _paths(given: Any) -> tuple[Path, ...]:
    parts = given.split(os.pathsep) if isinstance(given, str) else given
    return tuple(_path(part) for part in parts if str(part))


def _token(given: Any) -> str:
    text = str(given)
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("must be visible ASCII characters without spaces: it travels in an Authorization header")
    return text


def _keys(given: Any) -> tuple[bytes, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(part if isinstance(part, bytes) else master_key(part) for part in parts)


def master_key(text: str) -> bytes:
    """The 32 bytes of a key written in base64 (either alphabet, padding optional). Raises `ValueError`."""
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise ValueError("must be base64 of exactly 32 random bytes, for example from `openssl rand -base64 32`")
    return key


def _storage(given: Any) -> str:
    if given not in {"sqlite", "aws"}:
        raise ValueError("must be sqlite or aws")
    return str(given)


def _auth(given: Any) -> str:
    if given not in {"token", "sigv4", "both"}:
        raise ValueError("must be token, sigv4 or both")
    return str(given)


def _region(given: Any) -> str:
    text = str(given)
    if not re.fullmatch(r"[a-z0-9-]{1,64}", text):
        raise ValueError("must be the name of a region, for example eu-central-1")
    return text


def _kms_key(given: Any) -> str:
    text = str(given)
    if not re.fullmatch(r"[A-Za-z0-9:/_-]{1,2048}", text):
        raise ValueError("must be the id, the alias or the ARN of a KMS key")
    return text


def _flag(given: Any) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if (flag := known.get(str(given).lower())) is None:
        raise ValueError("must be true or false")
    return flag


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        text = str(given)
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _seconds(given: Any) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 900:
        raise ValueError("must be seconds from 1 to 900")
    return seconds


def _host(given: Any) -> str:
    text = str(given)
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", text):
        raise ValueError("must be a host name or an IP address, for example 127.0.0.1 or 0.0.0.0")
    return text


def _web_address(given: Any) -> SplitResult | None:
    try:
        parts = urlsplit(str(given))
        plain = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if plain and not (parts.query or parts.fragment or "@" in parts.netloc) else None


def _public_url(given: Any) -> str:
    parts = _web_address(given)
    if parts is None:
        raise ValueError("must be an http or https address without query, for example https://hooks.example.com")
    return parts.geturl().rstrip("/")


def _pages(given: Any) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(_page(part.strip()) for part in parts if part.strip())


def _page(given: str) -> str:
    parts = _web_address(given)
    if parts is None or (parts.scheme != "https" and parts.hostname not in _LOOPBACK):
        raise ValueError(
            "must be https addresses without query (http on this machine only), commas between, "
            "for example https://admin.example.com/connected"
        )
    return parts.geturl().rstrip("/")


def _upstreams(given: Any) -> Mapping[str, str]:
    if isinstance(given, str):
        given = [part for part in given.split(",") if part.strip()]
    pairs = given.items() if isinstance(given, Mapping) else [part.strip().partition("=")[::2] for part in given]
    return MappingProxyType({_integration(name): _origin(origin) for name, origin in pairs})


def _integration(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError("must be ID=ORIGIN pairs, commas between, for example my-integration=http://127.0.0.1:9001")
    return name


def _origin(origin: str) -> str:
    parts = _web_address(origin)
    if parts is None or parts.path not in {"", "/"}:
        raise ValueError("needs an origin after each ID=: scheme, host and port only, like http://127.0.0.1:9001")
    return f"{parts.scheme}://{parts.netloc}"


_BYTES = _whole(1024, 1024**3)

_VARIABLES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "data_dir": ("INTEGRATIONS_DATA_DIR", _path),
    "cache_dir": ("INTEGRATIONS_CACHE_DIR", _path),
    "token": ("INTEGRATIONS_TOKEN", _token),
    "public_url": ("INTEGRATIONS_PUBLIC_URL", _public_url),
    "redirect_urls": ("INTEGRATIONS_REDIRECT_URLS", _pages),
    "auth": ("INTEGRATIONS_AUTH", _auth),
    "policy": ("INTEGRATIONS_POLICY", _path),
    "sigv4_region": ("INTEGRATIONS_SIGV4_REGION", _region),
    "master_keys": ("INTEGRATIONS_MASTER_KEY", _keys),
    "storage": ("INTEGRATIONS_STORAGE", _storage),
    "aws_kms_key": ("INTEGRATIONS_AWS_KMS_KEY", _kms_key),
    "wake_queue": ("INTEGRATIONS_WAKE_QUEUE", _public_url),
    "host": ("INTEGRATIONS_HOST", _host),
    "port": ("INTEGRATIONS_PORT", _whole(0, 65535)),
    "tenant_calls_per_minute": ("INTEGRATIONS_TENANT_LIMIT", _whole(1, 10_000_000)),
    "retention_days": ("INTEGRATIONS_RETENTION_DAYS", _whole(1, 3650)),
    "time_budget_seconds": ("INTEGRATIONS_TIME_BUDGET", _seconds),
    "max_request_bytes": ("INTEGRATIONS_MAX_REQUEST_BYTES", _BYTES),
    "max_answer_bytes": ("INTEGRATIONS_MAX_ANSWER_BYTES", _BYTES),
    "max_output_bytes": ("INTEGRATIONS_MAX_OUTPUT_BYTES", _BYTES),
    "upstreams": ("INTEGRATIONS_UPSTREAMS", _upstreams),
    "sandbox": ("INTEGRATIONS_SANDBOX", _flag),
    "allow_private": ("INTEGRATIONS_ALLOW_PRIVATE", _flag),
    "specs_dirs": ("INTEGRATIONS_SPECS_DIRS", _paths),
    "log": ("INTEGRATIONS_LOG", _flag),
}
