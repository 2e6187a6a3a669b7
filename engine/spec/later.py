"""Parts of the language that this version reads but does not execute: each use is a diagnostic, never silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.spec.findings import Findings

_TOP = {"webhooks": "webhooks", "app": "the operator's OAuth app"}
_METHOD = {
    "authorize": "OAuth consent",
    "callback": "OAuth consent",
    "exchange": "OAuth consent",
    "refresh": "token refresh",
    "revoke": "token revocation",
    "scopes": "OAuth scopes",
}
_ACTION = {"pagination": "pagination", "needsScopes": "OAuth scopes"}
_TEST = {"capture": "capture by a test"}


def check_later(spec: Mapping[str, Any], findings: Findings) -> None:
    """Report every key whose execution is still to come."""
    _look(spec, (), _TOP, findings)
    for i, method in enumerate(spec.get("auth", ())):
        _look(method, ("auth", i), _METHOD, findings)
        if isinstance(method.get("token"), dict):
            _look(method["token"], ("auth", i, "token"), {"verify": "token.verify"}, findings)
    for i, action in enumerate(spec.get("actions", ())):
        _look(action, ("actions", i), _ACTION, findings)
    if isinstance(spec.get("test"), dict):
        _look(spec["test"], ("test",), _TEST, findings)


def _look(
    block: Mapping[str, Any], path: tuple[str | int, ...], names: Mapping[str, str], findings: Findings
) -> None:
    for key, what in names.items():
        if key in block:
            findings.add((*path, key), "SPEC099", f"{what}: `{key}` is not executed by this version yet", key=True)
