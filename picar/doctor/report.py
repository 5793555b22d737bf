"""`picar doctor --report FILE`: what a helper needs to see, in one text file, without secrets.

It has the findings, the configuration, the state of the service and its log, the kernel's messages about the supply and the
WiFi, and the network interfaces. Laws: the PIN, keys and passwords are not in it; MAC addresses and names of WiFi networks
are replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from picar.config import Config
from picar.configfile import as_toml
from picar.doctor.machine import Finding, Machine, report

_COMMANDS = (
    ("system", "uname", "-a"),
    ("service", "systemctl", "--no-pager", "status", "picar"),
    ("log", "journalctl", "--no-pager", "--quiet", "-u", "picar", "-n", "400"),
    ("kernel", "journalctl", "--no-pager", "--quiet", "-k", "-g", "voltage|brcm|i2c|gpio|mmc", "-n", "100"),
    ("addresses", "ip", "-brief", "address"),
    ("wifi", "iw", "dev"),
    ("memory", "free", "-m"),
    ("disk", "df", "-h", "/"),
    ("throttled", "vcgencmd", "get_throttled"),
)
_SECRETS = (
    (re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE), "xx:xx:xx:xx:xx:xx"),
    (re.compile(r"(?im)^(\s*ssid\s+).*$"), r"\1(a network)"),
    (re.compile(r"(nmcli connection (?:modify|up) )'(?:[^']|'\\'')*'"), r"\1'(a network)'"),
    (
        re.compile(r"[0-9a-f]{1,4}:[0-9a-f]{0,2}ff:fe[0-9a-f]{2}:[0-9a-f]{1,4}\b"),
        "xxxx:xxxx:xxxx:xxxx",
    ),  # RFC 4291, appendix A
    (re.compile(r'(\[hotspot\]\n(?:[^\[\n].*\n)*?name = )"[^"\n].*'), r'\1"(a network)"'),
    (re.compile(r"(?i)((?:psk|password|passphrase)\s*[:=]\s*).+"), r"\1(left out)"),
    (re.compile(r"(PIN\W+)\d[\d -]+"), r"\1(left out)"),
    (re.compile(r"(https?://\S+?)[?#]\S+"), r"\1"),  # an invitation
    (re.compile(r"(\w://)[^\s\"]*@"), r"\1(left out)@"),  # user and password in a URL
    (re.compile(r"\b[0-9a-f]{16}\.[\w-]{22}"), "(left out)"),  # a credential
    (re.compile(r"\b[A-Za-z0-9_-]{32,}\b"), "(left out)"),
)


def full_report(machine: Machine, settings: Config, findings: Iterable[Finding]) -> str:
    """Return the text of the report."""
    parts = [("picar doctor", "\n".join(report(findings))), ("configuration", as_toml(settings))]
    return "\n".join(f"== {title} ==\n{_cleaned(text)}\n" for title, text in [*parts, *_answers(machine)])


def _answers(machine: Machine) -> Iterator[tuple[str, str]]:
    for title, *command in _COMMANDS:
        answer = machine.ask(*command)
        yield title, "(not here)" if answer is None else (answer.out or answer.err or "(nothing)")


def _cleaned(text: str) -> str:
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
