"""The kinds of motor boards: the truth table of each chip, and the levels that picar writes.

A row is one character for each terminal of a motor: 0 and 1 are levels, D is a duty cycle, "-" is either level. `truth`
is the data sheet's table: what the motor does at these levels. `forward`, `reverse`, `coast` and `brake` are what picar writes.
A terminal with a D in one of its rows gets PWM; the others are plain outputs.

Sources: the data sheets of ST L298, TI L293D, Toshiba TB6612FNG ("H-SW Control Function"), TI DRV8833 and DRV8835
(PHASE/ENABLE mode), ASIC L9110S, Infineon BTS7960. `coast` of the L9110S, the BTS7960 and of a phase/enable board is a brake:
they cannot release one motor. Forward is the direction of IN1 or PH high; a motor that turns the other way is inverted.

The TB6612's table has IN1 = IN2 = low with PWM high alone (stop: high impedance), and no row for 000. `coast` is therefore
100. The level of 000 between two writes, and at rest without a standby line, drives no motor; picar counts it as released.

Laws, which the conformance tests check for every row of this file:
- With the duty cycle on, `forward` and `reverse` drive the motor; with it off they release or brake it.
- `brake` brakes, and `coast` drives no motor.
- With every terminal low, no motor is driven.
"""

from __future__ import annotations

from picar.tuples import NamedTuple

FORWARD, REVERSE, COAST, BRAKE = "forward", "reverse", "coast", "brake"


class Kind(NamedTuple):
    """One kind of board; see above.

    `terminals` are the roles of the columns.
    """

    terminals: tuple[str, ...]
    truth: dict[str, str]
    forward: str
    reverse: str
    coast: str
    brake: str

    def action(self, levels: str) -> str:
        """Return what a motor does at these levels, for example at "110"."""
        return next(
            action
            for row, action in self.truth.items()
            if all(wanted in (level, "-") for wanted, level in zip(row, levels, strict=True))
        )

    @property
    def rest(self) -> str:
        """What a motor does while all its terminals are low: it coasts or brakes."""
        return self.action("0" * len(self.terminals))

    @property
    def jumpered(self) -> Kind:
        """The same board with a jumper on EN or PWM: the speed goes to the inputs."""
        return _two_inputs(self.action("100"))


def _two_inputs(both_low: str) -> Kind:
    """Return a kind with two inputs for each motor, of which both high is a brake."""
    truth = {"00": both_low, "10": FORWARD, "01": REVERSE, "11": BRAKE}
    brake = "00" if both_low == BRAKE else "11"
    return Kind(("in1", "in2"), truth, forward="D0", reverse="0D", coast="00", brake=brake)


_L298N = Kind(
    ("pwm", "in1", "in2"),
    {"0--": COAST, "110": FORWARD, "101": REVERSE, "100": BRAKE, "111": BRAKE},
    forward="D10", reverse="D01", coast="000", brake="100",
)  # fmt: skip
KINDS = {
    "l298n": _L298N,
    "l293d": _L298N,
    "tb6612": Kind(
        ("pwm", "in1", "in2"),
        {"-00": COAST, "110": FORWARD, "101": REVERSE, "010": BRAKE, "001": BRAKE, "-11": BRAKE},
        forward="D10", reverse="D01", coast="100", brake="011",
    ),
    "drv8833": _two_inputs(COAST),
    "l9110s": _two_inputs(BRAKE),
    "bts7960": _two_inputs(BRAKE),
    "phase-enable": Kind(
        ("pwm", "in1"),
        {"0-": BRAKE, "11": FORWARD, "10": REVERSE},
        forward="D1", reverse="D0", coast="00", brake="00",
    ),
}  # fmt: skip
