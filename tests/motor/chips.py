"""The chips by their data sheets, written down apart from picar's tables: levels in, the two outputs of a motor out.

An output is H, L or Z (high impedance). `standby` is the level of STBY, nSLEEP, EN or INH; high where that wire is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

FORWARD, REVERSE, COAST, BRAKE = "forward", "reverse", "coast", "brake"
Levels = Mapping[str, bool]
_OF_OUTPUTS = {"HL": FORWARD, "LH": REVERSE, "HH": BRAKE, "LL": BRAKE}


def _each(*levels: bool) -> str:
    return "".join("H" if level else "L" for level in levels)


def _l298(standby: bool, levels: Levels) -> str:
    """ST L298, and TI L293D: EN = L, all transistors off; else each output follows its input."""
    return _each(levels["in1"], levels["in2"]) if standby and levels["pwm"] else "ZZ"


def _tb6612(standby: bool, levels: Levels) -> str:
    """Toshiba TB6612FNG, "H-SW Control Function". There is no row for IN1 = IN2 = PWM = L."""
    in1, in2 = levels["in1"], levels["in2"]
    if not standby:
        return "ZZ"
    if in1 and in2:
        return "LL"
    if in1 or in2:
        return _each(in1, in2) if levels["pwm"] else "LL"
    return "ZZ"


def _drv8833(standby: bool, levels: Levels) -> str:
    """TI DRV8833: 00 is coast or fast decay, 11 brake or slow decay."""
    in1, in2 = levels["in1"], levels["in2"]
    if not standby or not (in1 or in2):
        return "ZZ"
    return "LL" if in1 and in2 else _each(in1, in2)


def _l9110s(_standby: bool, levels: Levels) -> str:
    """ASIC L9110S: equal inputs, both outputs low."""
    in1, in2 = levels["in1"], levels["in2"]
    return "LL" if in1 and in2 else _each(in1, in2)


def _bts7960(standby: bool, levels: Levels) -> str:
    """Two Infineon BTS7960, half bridges: INH = L, both switches off; else IN chooses the switch."""
    return _each(levels["in1"], levels["in2"]) if standby else "ZZ"


def _drv8835(_standby: bool, levels: Levels) -> str:
    """TI DRV8835 in PHASE/ENABLE mode; PHASE = H is called forward here."""
    if not levels["pwm"]:
        return "LL"
    return "HL" if levels["in1"] else "LH"


CHIPS: dict[str, Callable[[bool, Levels], str]] = {
    "l298n": _l298,
    "l293d": _l298,
    "tb6612": _tb6612,
    "drv8833": _drv8833,
    "l9110s": _l9110s,
    "bts7960": _bts7960,
    "phase-enable": _drv8835,
}


def is_listed(chip: str, levels: Levels) -> bool:
    """Return whether the data sheet has a row for these levels."""
    return chip != "tb6612" or any(levels.values())


def action(chip: str, standby: bool, levels: Levels) -> str:
    """Return what a motor does."""
    return _OF_OUTPUTS.get(CHIPS[chip](standby, levels), COAST)
