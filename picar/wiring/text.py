# ruff: noqa: RUF001 - Chinese has its own punctuation, and a minus is no hyphen
"""The wiring in words: dictionaries of both languages, table, notes, and the drawing for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import east_asian_width

from picar.raspberrypi import PINS, HeaderPin, overlay
from picar.wirecheck import KEEPS_DRIVING
from picar.wiring.parts import TAP_KOHM
from picar.wiring.plan import KINDS, Plan

COLUMNS = ("pin", "bcm", "board", "wire", "does")
LANGUAGES = {"en": "English", "zh": "简体中文"}
Words = Mapping[str, str]

_EN = {
    "lang": "en",
    "title": "Wiring of this car",
    "lead": "Drawn from this car's configuration. Disconnect the battery while you wire; lift the wheels off the ground for the first drive.",
    "svg": "From the Raspberry Pi's header to the {board} board, its motors and its battery",
    "left": "left motor", "right": "right motor", "battery": "battery", "volts": "{low}–{high} V", "switch": "switch",
    "front_left": "front left motor", "rear_left": "rear left motor", "front_right": "front right motor",
    "rear_right": "rear right motor", "drive": "drive motor", "steer": "steering motor",
    "header": "Raspberry Pi", "sd": "SD card", "usb": "USB", "ground": "ground",
    "jumper_on": "jumper on", "jumper_off": "jumper off", "own_supply": "own 5 V supply",
    "pin": "pin", "bcm": "GPIO (BCM)", "board": "board", "wire": "wire", "does": "purpose",
    "speed": "{motor}: speed", "forward": "{motor}: forward", "reverse": "{motor}: reverse",
    "to_right": "{motor}: right", "to_left": "{motor}: left", "direction": "{motor}: direction",
    "enable": "enable, all motors", "logic": "logic supply", "common": "common ground",
    "data": "I²C data", "clock": "I²C clock", "off": "high: all channels off", "steering": "steering: pulses", "pulses": "{motor}: pulses",
    "orange": "orange", "yellow": "yellow", "green": "green", "blue": "blue", "purple": "purple", "brown": "brown", "black": "black", "grey": "grey", "red": "red",
    "also": "Also",
    "resistors": "10 kΩ (brown, black, orange) from {each}{terminals} to ground: the motors stay off while the Pi starts or has no power.",
    "take_off": "Take the jumper off {terminals}: with the jumper on, 5 V reach the Pi's pin and may destroy it.",
    "leave_on": "Leave the jumper on {terminals}.",
    "tied": "{terminals}: no wire to a GPIO. Connect to {to}, unless the board does so itself.",
    "rolls": "STOP brakes for a moment. At rest the motors turn freely.",
    "brakes": "STOP brakes. At rest, these motors stay braked: {motors}.",
    "about_drv8833": "A module with MX1508 or TC1508 needs 10 kΩ from each input to ground; a TC1508 takes at most 7.2 V. nSLEEP is called EEP on some boards.",
    "about_bts7960": "EN is R_EN and L_EN, joined. VCC gets 3.3 V: with 5 V, the board may not detect the levels of the Pi.",
    "about_phase-enable": "MODE must be high (phase/enable); boards made for the Pi connect it.",
    "output": "{outputs}: {motor}.", "ESC": "ESC", "shared": "With four motors, both motors of a side share its terminals.",
    "power": "Battery + ({volts}) goes through a switch to {supply}, battery − to GND. The Pi has its own supply.",
    "about_l298n": "The board's 5V stays empty.",
    "keeps_driving": KEEPS_DRIVING,
    "hat": "A HAT sits on the header. Its channels and I²C need no wires.",
    "chip": "CH is a channel of the PCA9685. Without a wire, OE is at ground.",
    "on_board": "A HAT has the wires of its channels and of I²C on the board.",
    "oe_missing": "Connect OE to GPIO 5 or 6, and set oe under [board].",
    "oe": "10 kΩ from OE to 3.3 V: the channels stay off while the Pi starts. Where the board connects OE to ground, cut this connection.",
    "servo": "Servo: + goes to a 5 V supply of its own (or to that of an ESC), never to the Pi's 5 V; its ground goes to this supply and to GND. If it turns the wrong way, exchange left_us and right_us under [steering].",
    "power_hat": "Battery + goes through a switch to the motor supply terminal of the HAT, battery − to its GND. The manual of the HAT names the voltage. The Pi has its own supply.",
    "power_esc": "The battery goes through a switch to the ESC. Of its plug, connect signal and ground, and 100 kΩ from signal to ground. The red wire (5 V) may supply the servo; never connect it to the Pi or to another 5 V supply. Calibrate neutral before the first drive, with the wheels off the ground.",
    "pictures": "Both pictures show the same Raspberry Pi and the same battery.",
    "wrong_way": "If a motor turns the wrong way, swap its two wires, or change invert under {sections}.",
    "wrong_way_esc": "If the motor turns the wrong way, exchange two of its wires at the ESC, or use the ESC's own reverse setting.",
    "needs": "The Pi needs {need}",
    "i2c": "I2C switched on, then a restart: sudo raspi-config nonint do_i2c 0",
    "overlay": "this line in /boot/firmware/config.txt, then a restart: {line}",
    "swap": "If left and right are exchanged, change swap under [{section}].",
    "swap_steer": "If the drive motor and the steering motor are exchanged, change swap under [{section}].",
    "each": "each of ",
    "joint": ", ", "or": " or ",
    "extras": "Other parts", "contact": "obstacle switch", "lamp": "state lamp",
    "supply": "supply", "part_ground": "ground", "trigger": "trigger pulse", "echo": "echo: 1 kΩ from ECHO, 2 kΩ from this pin to ground",
    "input": "closed: to ground", "base": "1 kΩ to the base of an NPN transistor", "led": "330 Ω, then the LED",
    "pulse": "pulses", "own_plus": "from a 5 V supply of its own, not from the Pi", "own_minus": "ground of this supply",
    "about_sonar": "{chip}: its ECHO has 5 V, which may destroy a pin of the Pi. The resistors divide them: 1 kΩ (brown, black, red) from ECHO to the pin, 2 kΩ (red, black, red) from the pin to ground. An HC-SR04P at 3.3 V (pin 17) needs no resistors.",
    "about_laser": "{chip}: VIN goes to 3.3 V. The kernel's driver reads it; docs/obstacle.md.",
    "about_contact": "The obstacle switch needs no resistor: picar uses the pull-up of the pin.",
    "about_servo": "Servos: V+ comes from a 5 V supply of their own (1 A for each), never from the Pi or straight from the motor battery; the grounds are joined. At a PCA9685, plug in all three wires, and connect this supply to V+ of the board.",
    "about_load": "A pin gives 16 mA at most, so an NPN transistor (2N2222, up to 100 mA) switches a lamp or a horn: base (B) through 1 kΩ to the pin, emitter (E) to ground, collector (C) to the − of the lamp or horn. For more current, use a MOSFET made for 3.3 V at its gate, with 10 kΩ from gate to ground. A coil (relay, magnetic buzzer) needs a diode (1N4148) across it, its ring at +5 V. A module with three pins has the transistor. A single LED needs only 330 Ω in series, as the state lamp.",
    "battery_plus": "battery + behind its switch", "motors_plus": "to the motor board", "tap": "battery +, through the divider",
    "about_shunt": "{chip}: the current of the motors flows through the shunt between VIN+ and VIN−, which carries 3.2 A on most modules. picar reads the voltage only: you may connect both to battery + instead, and the motor board to the battery as before.",
    "about_tap": "{chip}: its input takes 3.3 V at most. The divider has {upper} kΩ from battery + to the input and {lower} kΩ from the input to ground.",
    "about_cell": "{chip} measures one cell. On a UPS HAT, these wires are on the board.",
    "about_lamp": "State lamp: an LED with 330 Ω (orange, orange, brown) in series; A is its long leg.",
    "kit": "The board of a kit has these resistors and transistors already. Join several wires to one pin on a breadboard.",
    "back": "Drive", "file": "SVG file",
}  # fmt: skip
_ZH = {
    "lang": "zh-CN",
    "title": "本车接线图",
    "lead": "根据本车的配置绘制。接线时请断开电池；第一次驾驶时请让车轮离地。",
    "svg": "从树莓派排针到 {board} 驱动板、电机和电池",
    "left": "左电机", "right": "右电机", "battery": "电池", "volts": "{low}–{high} V", "switch": "开关",
    "front_left": "左前电机", "rear_left": "左后电机", "front_right": "右前电机",
    "rear_right": "右后电机", "drive": "驱动电机", "steer": "转向电机",
    "header": "树莓派", "sd": "SD 卡", "usb": "USB", "ground": "地线",
    "jumper_on": "跳线帽保留", "jumper_off": "跳线帽拔掉", "own_supply": "独立 5 V 供电",
    "pin": "引脚", "bcm": "GPIO（BCM）", "board": "端子", "wire": "线色", "does": "作用",
    "speed": "{motor}：速度", "forward": "{motor}：前进", "reverse": "{motor}：后退",
    "to_right": "{motor}：右转", "to_left": "{motor}：左转", "direction": "{motor}：方向",
    "enable": "使能（全部电机）", "logic": "逻辑供电", "common": "共地",
    "data": "I²C 数据", "clock": "I²C 时钟", "off": "高电平：全部通道关闭", "steering": "转向：脉冲", "pulses": "{motor}：脉冲",
    "orange": "橙", "yellow": "黄", "green": "绿", "blue": "蓝", "purple": "紫", "brown": "棕", "black": "黑", "grey": "灰", "red": "红",
    "also": "还要注意",
    "resistors": "{terminals} {each}接一个 10 kΩ 电阻（棕黑橙）到地：树莓派启动或断电时，电机保持停止。",
    "take_off": "拔掉 {terminals} 的跳线帽：否则 5 V 会进入树莓派引脚，可能将其烧毁。",
    "leave_on": "保留 {terminals} 的跳线帽。",
    "tied": "{terminals}：不接 GPIO，请接到 {to}（驱动板已自行连接的除外）。",
    "rolls": "STOP 会短暂刹车；静止时电机可以自由转动。",
    "brakes": "STOP 会刹车；静止时这些电机保持刹车：{motors}。",
    "about_drv8833": "MX1508 或 TC1508 模块的每个输入端要接一个 10 kΩ 电阻到地；TC1508 的电压不得超过 7.2 V。有些板子把 nSLEEP 标为 EEP。",
    "about_bts7960": "EN 指连在一起的 R_EN 和 L_EN。VCC 接 3.3 V：接 5 V 时，驱动板可能识别不了树莓派的电平。",
    "about_phase-enable": "MODE 必须为高电平（phase/enable 模式）；为树莓派设计的板子已经接好。",
    "output": "{outputs}：{motor}。", "ESC": "电调", "shared": "如有四个电机，同侧的两个并联在同一组端子上。",
    "power": "电池 +（{volts}）经开关接 {supply}，电池 − 接 GND。树莓派单独供电。",
    "about_l298n": "驱动板的 5V 端子不接线。",
    "keeps_driving": "树莓派一旦死机，此驱动板会让小车继续行驶，只有关掉它的开关才能停车。",
    "hat": "扩展板（HAT）直接插在排针上，通道和 I²C 不需要接线。",
    "chip": "CH 是 PCA9685 的通道。OE 不接线时在板上接地。",
    "on_board": "如果是扩展板（HAT），通道和 I²C 的连线已在板上接好。",
    "oe_missing": "请把 OE 接到 GPIO 5 或 6，并在 [board] 下设置 oe。",
    "oe": "OE 接一个 10 kΩ 电阻到 3.3 V：树莓派启动时，全部通道保持关闭。如果板上已把 OE 接地，请断开那处连接。",
    "servo": "舵机：正极接独立的 5 V 电源（或电调的 5 V），不要接树莓派的 5 V；地线接该电源的地和 GND。如果转向相反，请对调 [steering] 下的 left_us 和 right_us。",
    "power_hat": "电池 + 经开关接扩展板的电机电源端子，电池 − 接它的 GND；电压见扩展板说明书。树莓派单独供电。",
    "power_esc": "电池经开关接电调。电调插头接信号线和地线，信号线与地之间接 100 kΩ 电阻。红线（5 V）可以给舵机供电，不要接树莓派或另一个 5 V 电源。第一次驾驶前，请让车轮离地并校准中位。",
    "pictures": "两张图中的树莓派和电池是同一个。",
    "wrong_way": "如果电机转反了，请对调它的两根线，或更改 {sections} 下的 invert。",
    "wrong_way_esc": "如果电机转反了，请在电调处对调电机的任意两根线，或使用电调自带的反转设置。",
    "needs": "树莓派需要{need}",
    "i2c": "打开 I2C，然后重启：sudo raspi-config nonint do_i2c 0",
    "overlay": "在 /boot/firmware/config.txt 中加入这一行，然后重启：{line}",
    "swap": "如果左右接反了，请更改 [{section}] 下的 swap。",
    "swap_steer": "如果驱动电机和转向电机接反了，请更改 [{section}] 下的 swap。",
    "each": "各",
    "joint": "、", "or": " 或 ",
    "extras": "其他部件", "contact": "障碍开关", "lamp": "状态灯",
    "supply": "供电", "part_ground": "地线", "trigger": "触发脉冲", "echo": "回波：ECHO 经 1 kΩ 到此引脚，此引脚经 2 kΩ 到地",
    "input": "闭合时接地", "base": "经 1 kΩ 接 NPN 三极管基极", "led": "经 330 Ω 接 LED",
    "pulse": "脉冲", "own_plus": "独立的 5 V 电源，不接树莓派", "own_minus": "该电源的地",
    "about_sonar": "{chip}：ECHO 输出 5 V，可能烧毁树莓派引脚。用电阻分压：ECHO 到引脚 1 kΩ（棕黑红），引脚到地 2 kΩ（红黑红）。HC-SR04P 接 3.3 V（17 号引脚）时不需要电阻。",
    "about_laser": "{chip}：VIN 接 3.3 V，由内核驱动读取，见 docs/obstacle.md。",
    "about_contact": "障碍开关不需要电阻：picar 使用引脚的内部上拉。",
    "about_servo": "舵机：V+ 接独立的 5 V 电源（每个舵机 1 A），不要接树莓派，也不要直接接电机电池；各地线相连。接在 PCA9685 上时，三根线都插上，并把该电源接到板上的 V+。",
    "about_load": "一个引脚最多输出 16 mA，所以灯或喇叭由 NPN 三极管（2N2222，不超过 100 mA）驱动：基极（B）经 1 kΩ 接引脚，发射极（E）接地，集电极（C）接灯或喇叭的 −。电流更大时，请用栅极 3.3 V 即可导通的 MOSFET，栅极到地接 10 kΩ。带线圈的部件（继电器、电磁蜂鸣器）要并联一个二极管（1N4148），色环端接 5 V。三针模块已带三极管。单个 LED 像状态灯一样只需串联 330 Ω。",
    "battery_plus": "电池 +（经开关）", "motors_plus": "到电机驱动板", "tap": "电池 +，经分压电阻",
    "about_shunt": "{chip}：电机电流流过 VIN+ 和 VIN− 之间的分流电阻，多数模块最大 3.2 A。picar 只读电压：也可以把两端都接电池 +，电机驱动板仍直接接电池。",
    "about_tap": "{chip}：输入端最高 3.3 V。分压电阻：电池 + 到输入端 {upper} kΩ，输入端到地 {lower} kΩ。",
    "about_cell": "{chip} 只测一节电池。UPS 扩展板上已接好这些线。",
    "about_lamp": "状态灯：LED 串联 330 Ω（橙橙棕）；A 是长脚。",
    "kit": "套件的扩展板已带这些电阻和三极管。一个引脚要接多根线时，请用面包板连接。",
    "back": "驾驶", "file": "SVG 图片",
}  # fmt: skip
WORDS: dict[str, Words] = {"en": _EN, "zh": _ZH}
# In the palette of 256 colours.
_ANSI = {
    "orange": 208, "yellow": 226, "green": 34, "blue": 33, "purple": 135, "brown": 130, "black": 244, "grey": 247, "red": 196,
}  # fmt: skip
_PLAIN = str.maketrans(
    dict(zip("┌┐└┘─│●·◀▶", "++++-|O.<>", strict=True))
    | {"…": "...", "Ω": "Ohm", "²": "2", "µ": "u", "\u2212": "-", "\u2013": "-"}
)
_SIDE = 26  # columns left of the header


def rows(plan: Plan, words: Words) -> list[tuple[int | str, str, str, str, str]]:
    """Return the table of the wires: header pin (empty for a channel), its name, terminal, colour, purpose."""
    wires = [
        (w.pin.number or "", w.pin.name, name, w.colour, words[w.role].format(motor=words.get(w.motor, "")))
        for name, w in plan.wires
    ]
    if plan.hat:
        outputs = ((*each, words[motor]) for each, motor in zip(plan.hat, plan.motors, strict=True))
        lines = [*(("", channels, output, "", motor) for output, channels, motor in outputs), *wires]
    else:
        lines = [*wires, (plan.ground.number, "GND", "GND", "black", words["common"])]
    of_parts = ((part.title(words), wire) for part in plan.parts for wire in part.wires)
    return lines + [
        (w.pin.number or "", w.pin.name, f"{title} {w.terminal}", w.colour, words[w.role])
        for title, w in of_parts
    ]


def notes(plan: Plan, words: Words) -> list[str]:
    """Return the steps besides the wires of the table, the most important first."""
    kind, joint = KINDS[plan.kind], words["joint"]
    tied, resistors = () if plan.hat else plan.all_of("tied"), plan.all_of("resistors")
    each = words["each"] if len(resistors) > 1 else ""
    off = [] if kind.tie else [name for name, wire in plan.wires if name.rpartition(" ")[2] in ("ENA", "ENB")]
    lists = (("take_off", off), ("tied" if kind.tie else "leave_on", tied), ("resistors", resistors))
    lines = [
        words[key].format(terminals=joint.join(names), to=kind.tie, each=each)
        for key, names in lists
        if names
    ]
    supply, low, high = kind.supply
    power = words["power_hat" if plan.hat else "power" if supply else "power_esc"]
    lines.append(power.format(supply=supply, volts=words["volts"].format(low=low, high=high)))
    has = {wire.terminal for wire in plan.others}
    others = {
        "chip": plan.chip,
        "on_board": plan.chip and not plan.hat,
        "oe_missing": plan.keeps_driving,
        "oe": "OE" in has or plan.keeps_driving,
        "servo": "servo" in has,
    }
    lines += [words[key] for key, is_there in others.items() if is_there]
    lines = [words["keeps_driving"]] * plan.keeps_driving + lines
    lines += [words["needs"].format(need=need) for need in needs(plan, words)]
    lines += [words[about]] if (about := f"about_{plan.kind}") in words else []
    outputs = (
        []
        if plan.hat
        else [
            words["output"].format(outputs=plan.named(number, words.get(output, output)), motor=words[motor])
            for number, board in enumerate(plan.boards, start=1)
            for output, motor in zip(board.kind.outputs, board.motors, strict=False)
        ]
    )
    outputs += [words["shared"]] if "left" in plan.motors and not plan.hat else []
    brakes = joint.join(words[motor] for motor in plan.brakes)
    sections = words["or"].join(f"[{section}]" for section in plan.sections)
    board = "board" if "." in plan.sections[0] else "l298n"
    swap = words["swap_steer" if "steer" in plan.motors else "swap"].format(section=board)
    rest = words["brakes"].format(motors=brakes) if brakes else words["rolls"]
    return [
        *lines,
        *([" ".join(outputs)] if outputs else []),
        *([rest] if supply else []),
        words["wrong_way" if supply else "wrong_way_esc"].format(sections=sections),
        *([swap] if len(plan.motors) > 1 else []),
        *_of_parts(plan, words),
    ]


def needs(plan: Plan, words: Words) -> list[str]:
    """Return what the system of the Pi must have for this car."""
    has_bus = any(wire.role == "data" for part in plan.parts for wire in part.wires)
    lines = [words["i2c"]] if has_bus or (plan.chip and plan.chip.bus == 1) else []
    return lines + ([words["overlay"].format(line=overlay(plan.pulse_pins))] if plan.pulse_pins else [])


def _of_parts(plan: Plan, words: Words) -> list[str]:
    """Return the sentences about the parts beside the motors, one for each form."""
    forms = {part.form: part for part in plan.parts}
    said = [
        words[f"about_{form}"].format(
            chip=part.name, upper=f"{TAP_KOHM * (part.ratio - 1):g}", lower=TAP_KOHM
        )
        for form, part in forms.items()
    ]
    return [*said, words["kit"]] if said else []


def ends_of(plan: Plan, words: Words) -> dict[HeaderPin, tuple[str, str]]:
    """Return the names of the terminals at each used pin of the header, and the colour of the wire."""
    ends = {} if plan.hat else {plan.ground: ("GND", "black")}
    for name, wire in plan.wires:
        if not wire.pin.number:
            continue
        before = ends.get(wire.pin, ("", ""))[0]
        ends[wire.pin] = (f"{before} + {name}" if before else name, wire.colour)
    for part in plan.parts:
        for wire in part.wires:
            first = ends.get(wire.pin, ("", ""))[0].split(" + ")[0]
            if wire.pin.number:
                ends[wire.pin] = (
                    f"{first} + …" if first else f"{part.title(words)} {wire.terminal}",
                    wire.colour,
                )
    return ends


def drawing(plan: Plan, words: Words, colour: bool = False) -> str:
    """Return the header, the table and the notes as lines of text.

    Args:
        plan: the connections to draw.
        words: a language.
        colour: whether the terminal shows colours.
    """
    sentences = [f"  - {sentence}" for sentence in notes(plan, words)]
    hat = [words["hat"], ""] if plan.hat else []
    header = [*_header(plan, words, colour), ""] if ends_of(plan, words) else []
    lines = [*hat, *header, *_table(plan, words, colour), "", *sentences]
    return "\n".join(lines) + "\n"


def plain(drawn: str) -> str:
    """Return a drawing in ASCII, for a terminal without UTF-8."""
    return drawn.translate(_PLAIN)


def _header(plan: Plan, words: Words, colour: bool) -> list[str]:
    ends = ends_of(plan, words)
    side = max(_SIDE, *(len(_label(pin, ends)) for pin in PINS[::2]))
    lines = [f"{'':{side}}      {words['sd']}", f"{'':{side}}    ┌─────────┐"]
    for left, right in zip(PINS[::2], PINS[1::2], strict=True):
        middle = f"{left.number:>3} │ {_dot(left, ends, colour)}     {_dot(right, ends, colour)} │ {right.number:<3}"
        lines.append(f"{_label(left, ends):>{side}}{middle}{_label(right, ends)}".rstrip())
    return [*lines, f"{'':{side}}    └─────────┘", f"{'':{side}}        {words['usb']}"]


def _label(pin: HeaderPin, ends: Mapping[HeaderPin, tuple[str, str]]) -> str:
    if pin not in ends:
        return pin.name
    terminal = ends[pin][0]
    return f"{terminal} ◀── {pin.name}" if pin.is_left else f"{pin.name} ──▶ {terminal}"


def _dot(pin: HeaderPin, ends: Mapping[HeaderPin, tuple[str, str]], colour: bool) -> str:
    return _paint("●", ends[pin][1], colour) if pin in ends else "·"


def _table(plan: Plan, words: Words, colour: bool) -> list[str]:
    table = rows(plan, words)
    second, third = (
        max(least, *(len(str(row[place])) + 2 for row in table)) for place, least in ((1, 13), (2, 8))
    )

    def line(pin: str, name: str, terminal: str, wire: str, purpose: str) -> str:
        return f"  {_wide(pin, 5)}{_wide(name, second)}{_wide(terminal, third)}{_wide(wire, 11)}{purpose}"

    lines = [line(*(words[column] for column in COLUMNS))]
    for pin, name, terminal, wire, purpose in table:
        painted = line(str(pin), name, terminal, wire and f"● {words[wire]}", purpose)
        lines.append(painted.replace("●", _paint("●", wire, colour)) if wire else painted)
    return lines


def _wide(text: str, columns: int) -> str:
    """Return a text filled up with spaces; a Chinese character takes two columns of a terminal."""
    return text + " " * (columns - sum(1 + (east_asian_width(character) in "WF") for character in text))


def _paint(mark: str, name: str, colour: bool) -> str:
    return f"\x1b[38;5;{_ANSI[name]}m{mark}\x1b[0m" if colour else mark
