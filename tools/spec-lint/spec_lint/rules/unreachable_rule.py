"""An error rule that never matches, because a rule before it takes all of its answers."""

from __future__ import annotations

from collections.abc import Iterator

from engine.library.text import folded
from spec_lint.refusals import Refusal, refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for listed in refusals(subject):
        for number, rule in enumerate(listed.rules):
            if not rule.effects and listed.owner in ("action", "step"):
                message = f"nothing here {rule.block['effect']}s, so this rule never matches"
                yield subject.at((*rule.path, "effect"), message, hint="leave the rule or its effect out")
            else:
                yield from _findings(subject, rule, listed.rules[:number])


def _findings(subject: Subject, rule: Refusal, before: tuple[Refusal, ...]) -> Iterator[Finding]:
    first = next(iter(rule.block))
    for earlier in before:
        if _takes(earlier, rule):
            line = subject.at(earlier.path, "").position.line
            message = f"this rule is never reached: the one in line {line} takes all of its answers"
            yield subject.at((*rule.path, first), message, key=True, hint="put it before that one, or leave it out")
            return
        for row in _rows_taken(earlier, rule):
            line = subject.at((*earlier.path, "codes", row), "", key=True).position.line
            message = f"{row} is never reached: line {line} has it already"
            yield subject.at((*rule.path, "codes", row), message, key=True, hint="leave one of the two out")


def _takes(earlier: Refusal, rule: Refusal) -> bool:
    """Does every answer that the rule matches match the earlier one?"""
    if "by" in earlier.block:
        own = rule.block.get("codes", {}).keys()
        is_same = earlier.block["by"] == rule.block.get("by")
        all_rows = "other" in earlier.block or ("other" not in rule.block and own <= earlier.block["codes"].keys())
        return is_same and all_rows and _is_wider(earlier, rule)
    return _is_wider(earlier, rule)


def _rows_taken(earlier: Refusal, rule: Refusal) -> Iterator[str]:
    """The codes of a rule that stand in an earlier one about the same value."""
    if "by" in earlier.block and earlier.block["by"] == rule.block.get("by") and _is_wider(earlier, rule):
        yield from (row for row in rule.block["codes"] if row in earlier.block["codes"])


def _is_wider(earlier: Refusal, rule: Refusal) -> bool:
    """Do all matchers of the earlier one but `by` hold wherever those of the rule do?"""
    if earlier.statuses is not None and not (rule.statuses is not None and rule.statuses <= earlier.statuses):
        return False
    if not rule.effects <= earlier.effects:
        return False
    if "when" in earlier.block and earlier.block["when"] != rule.block.get("when"):
        return False
    needles = [folded(needle) for needle in earlier.block.get("messageContains", ())]
    own = [folded(needle) for needle in rule.block.get("messageContains", ())]
    return not needles or (bool(own) and all(any(needle in one for needle in needles) for one in own))


RULE = Rule("ERR002", "An error rule, or a row of it, is never reached.", "error", check)
