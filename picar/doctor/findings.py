"""What the doctor found: one line each, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warning", "problem"]

_INDENT = " " * 26


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` is a command or an edit, empty where there is nothing to mend."""

    check: str
    status: Grade
    message: str
    fix: str = ""


def report(findings: Iterable[Finding]) -> list[str]:
    """Return the lines to print."""
    lines, counts = [], {"warning": 0, "problem": 0}
    for finding in findings:
        if finding.status != "ok":
            counts[finding.status] += 1
        first, *more = finding.message.splitlines()
        lines.append(f"  {finding.status:<8} {finding.check:<14} {first}")
        lines += [_INDENT + line.strip() for line in more]
        if finding.fix:
            lines.append(f"{_INDENT}fix: {finding.fix}")
    return [*lines, "", _summary(counts["problem"], counts["warning"])]


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a JSON list of `{"check", "status", "message", "fix"}`."""
    return json.dumps([dataclasses.asdict(finding) for finding in findings], ensure_ascii=False, indent=2)


def is_well(findings: Iterable[Finding]) -> bool:
    """Tell whether there is no problem; warnings do not count."""
    return all(finding.status != "problem" for finding in findings)


def _summary(problems: int, warnings: int) -> str:
    if not problems and not warnings:
        return "All is well."
    counted = [
        f"{count} {word}{'s' if count > 1 else ''}"
        for count, word in ((problems, "problem"), (warnings, "warning"))
        if count
    ]
    return f"{' and '.join(counted)}." + ("" if problems else " The car can drive.")
