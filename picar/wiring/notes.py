"""The sentences beside the drawing."""

from __future__ import annotations

from picar.wiring.plan import Plan
from picar.wiring.words import Words


def notes(plan: Plan, words: Words) -> list[str]:
    """Return what to do besides the wires of the table, most important first."""
    joint = "、" if words["lang"].startswith("zh") else ", "
    off = [name for name in ("ENA", "ENB") if name not in plan.jumpers]
    lines = []
    if off:
        lines.append(words["take_off"].format(terminals=joint.join(off)))
    if plan.jumpers:
        lines.append(words["leave_on"].format(terminals=joint.join(plan.jumpers)))
    lines.append(words["resistors"].format(terminals=joint.join(plan.resistors)))
    lines.append(words["power"])
    lines.append(words["motors"].format(a=words[plan.sides[0]], b=words[plan.sides[1]]))
    lines.append(words["wrong_way"])
    return lines
