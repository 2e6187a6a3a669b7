"""The rules: each file of this package holds one as `RULE`, and is found by being here."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from spec_lint.rule import Rule

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (import_module(f"{__name__}.{module.name}").RULE for module in iter_modules(__path__)),
        key=lambda rule: rule.code,
    )
)
"""All rules in the order of their codes."""
