"""The machine's switch: who may use it, and what logind is asked, by the real program against a stand-in for busctl."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from picar.errors import PowerError
from picar.system import logind as switching
from picar.system.logind import Action, Power, runs_as_service
from tests.support.logind import FakeLogind
from tests.support.waiting import until

ENV = {"INVOCATION_ID": "1f", "RUNTIME_DIRECTORY": "/run/picar"}
CGROUP = "0::/system.slice/picar.service\n"


@pytest.fixture
def logind(tmp_path: Path) -> FakeLogind:
    return FakeLogind(tmp_path / "bin")


def switch(logind: FakeLogind, *, is_service: bool = True) -> Power:
    return Power(is_service, str(logind.busctl))


def test_the_unit_of_this_machine_is_the_service() -> None:
    assert runs_as_service(ENV, CGROUP)
    assert runs_as_service(ENV, f"12:cpu:/\n1:name=systemd:/machine.slice/x.scope{CGROUP[3:]}")


@pytest.mark.parametrize(
    ("env", "cgroup"),
    [
        ({}, CGROUP),
        (ENV | {"INVOCATION_ID": ""}, CGROUP),
        (ENV | {"RUNTIME_DIRECTORY": "/run/user/1000/picar"}, CGROUP),
        (ENV, ""),
        (ENV, "0::/system.slice/ssh.service\n"),
        (ENV, "0::/system.slice/picar.service/child\n"),
        (
            ENV,
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/picar.service\n",
        ),
        (ENV, "0::/user.slice/user-1000.slice/session-1.scope\n"),
    ],
)
def test_a_terminal_on_a_laptop_is_not_whatever_it_inherits(env: dict[str, str], cgroup: str) -> None:
    assert not runs_as_service(env, cgroup)


def test_this_test_does_not_run_as_the_service() -> None:
    assert not runs_as_service(os.environ | ENV)


@pytest.mark.parametrize("action", ["off", "reboot"])
async def test_where_it_is_no_service_nobody_is_ever_asked(logind: FakeLogind, action: Action) -> None:
    laptop = switch(logind, is_service=False)
    for work in (laptop.check, laptop.do):
        with pytest.raises(PowerError, match="does not run as a service"):
            await work(action)
    assert logind.calls() == []


@pytest.mark.parametrize(("action", "method"), [("off", "PowerOff"), ("reboot", "Reboot")])
async def test_logind_is_asked_and_then_told(logind: FakeLogind, action: Action, method: str) -> None:
    await switch(logind).check(action)
    await switch(logind).do(action)
    assert logind.calls() == [f"Can{method}", f"{method} b false"]


@pytest.mark.parametrize("answer", ["no", "challenge", "na"])
async def test_anything_but_yes_is_no(logind: FakeLogind, answer: str) -> None:
    logind.answers(can=f"echo 's \"{answer}\"'")
    with pytest.raises(PowerError, match="scripts/install --power"):
        await switch(logind).check("off")


async def test_a_refusal_is_told_in_logind_s_words(logind: FakeLogind) -> None:
    logind.answers(do='echo \'Call failed: Operation inhibited by "apt", reason is "upgrade"\' >&2; exit 1')
    with pytest.raises(PowerError) as refused:
        await switch(logind).do("off")
    assert str(refused.value) == 'systemd refuses: Operation inhibited by "apt", reason is "upgrade".'


@pytest.mark.parametrize("action", ["off", "reboot"])
async def test_a_shutdown_that_ends_busctl_before_its_answer_is_no_refusal(
    logind: FakeLogind, action: Action
) -> None:
    logind.answers(do="kill -TERM $$", can="kill -TERM $$")
    await switch(logind).do(action)
    with pytest.raises(PowerError):
        await switch(logind).check(action)


async def test_without_busctl_it_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PowerError, match=r"^Cannot ask systemd: .*/busctl: No such file or directory\.$"):
        await Power(True, str(tmp_path / "busctl")).check("off")


async def test_who_does_not_answer_is_not_waited_for_and_holds_nobody_up(
    logind: FakeLogind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switching, "ANSWER_TIMEOUT_S", 0.5)
    pid = logind.folder / "pid"
    logind.answers(can=f"echo $$ >'{pid}'; exec sleep 60")
    threads, began = threading.active_count(), time.monotonic()
    asking = asyncio.create_task(switch(logind).check("off"))
    longest = 0.0
    while not asking.done():
        before = time.monotonic()
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - before)
    with pytest.raises(PowerError, match="does not answer"):
        await asking
    assert time.monotonic() - began >= 0.5
    assert longest < 0.4, "the loop turns meanwhile"
    assert threading.active_count() == threads
    await until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists(), "its end")
