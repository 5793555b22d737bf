"""The account `picar`: scripts/install and scripts/uninstall use and remove the service's own, and never a person's.

Each test changes a copy of /etc that is mounted over /etc in a mount namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = (
    "useradd --system --user-group --no-create-home --home-dir /var/lib/picar --shell /usr/sbin/nologin picar"
)
PERSONS = {
    "a login": "useradd --no-create-home --shell /bin/bash picar",
    "a login without a shell": "useradd --no-create-home --home-dir /var/lib/picar --shell /usr/sbin/nologin picar",
    "a system account with a shell": "useradd --system --home-dir /var/lib/picar --shell /bin/sh picar",
    "a system account with another home": "useradd --system --home-dir /srv --shell /usr/sbin/nologin picar",
}
NAMESPACE = ["unshare", "--mount", "--propagation", "private"]


def can_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run([*NAMESPACE, "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="needs root and a mount namespace: sudo scripts/test")


def with_own_etc(tmp_path: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands from the checkout, as root, with a copy of /etc in which no account is named picar."""
    copy = tmp_path / "etc"
    copy.mkdir()
    for name in ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "os-release"):
        if (Path("/etc") / name).exists():
            lines = (Path("/etc") / name).read_text(encoding="utf-8").splitlines(keepends=True)
            (copy / name).write_text("".join(line for line in lines if not line.startswith("picar:")))
    shutil.copytree("/etc/alternatives", copy / "alternatives", symlinks=True)
    script = "\n".join((f"mount --bind {copy} /etc || exit 99", *commands))
    return subprocess.run(
        [*NAMESPACE, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("account", PERSONS.values(), ids=PERSONS)
def test_the_account_of_a_person_is_neither_used_nor_removed(tmp_path: Path, account: str) -> None:
    done = with_own_etc(
        tmp_path,
        account,
        "scripts/install --dry-run",
        "scripts/uninstall --purge --dry-run && getent passwd picar",
    )
    assert "picar: the account picar belongs to a person" in done.stderr
    assert "make an environment" not in done.stdout
    assert "leave the account picar: it belongs to a person" in done.stdout
    assert "remove the user picar" not in done.stdout
    assert "\npicar:" in done.stdout


def test_the_account_of_the_service_is_used_and_removed(tmp_path: Path) -> None:
    done = with_own_etc(tmp_path, SERVICE, "scripts/install --dry-run && scripts/uninstall --purge --dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "make the user picar" in done.stdout
    assert "remove the user picar" in done.stdout


def test_without_an_account_a_purge_is_no_failure(tmp_path: Path) -> None:
    done = with_own_etc(tmp_path, "scripts/uninstall --purge --dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the account picar" not in done.stdout


def test_a_group_that_was_left_over_becomes_the_account_s_again(tmp_path: Path) -> None:
    make_user = "make_user() {" + (ROOT / "scripts/install").read_text().partition("make_user() {")[2]
    done = with_own_etc(
        tmp_path,
        "groupadd --system picar",
        make_user.partition("\n}\n")[0] + "\n}",
        "make_user && id -gn picar",
    )
    assert (done.returncode, done.stdout) == (0, "picar\n"), done.stderr
