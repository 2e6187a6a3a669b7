"""What single rules of lint find in small specs."""

from __future__ import annotations

from typing import Any

from engine.library import exact
from engine.spec.load import compile_text
from spec_lint.rules import RULES
from spec_lint.subject import Subject
from tests.spec.compiling import registry
from tests.support.specs import action, fields, spec, text, whole

INPUT = fields(
    ("to",),
    to=fields(("name",), name=text(), phone=text()),
    kind=text(enum=["small", "large"]),
    count=whole(),
    items={"type": "array", "description": "Things.", "items": fields(("sku",), sku=text(), size=text())},
)
SENT = {"to": "{{ input.to }}", "kind": "{{ input.kind }}", "count": "{{ input.count }}", "items": "{{ input.items }}"}


def found(code: str, *actions: dict[str, Any], **parts: Any) -> list[str]:
    """The characters of each finding of one rule, in order."""
    made = compile_text("spec.yaml", exact.dumps(spec(*actions, **parts)).decode(), registry(), {})
    assert made.integration, [str(one) for one in made.diagnostics]
    assert made.source
    assert made.findings
    subject = Subject(made.source, made.resolved, made.integration, registry(), (), (), made.findings)
    rule = next(rule for rule in RULES if rule.code == code)
    line = made.source.text
    return [line[one.position.column - 1 :][: one.length] for one in rule.check(subject)]


def about(query: str, **parts: Any) -> dict[str, Any]:
    """An action with this query in a rule, and with every input."""
    sent = {"method": "POST", "path": "/x", "json": SENT}
    rules = [{"status": 400, "when": query, "code": "REJECTED"}]
    return action(inputSchema=INPUT, errors=rules, request=sent, **parts)
