"""picar.garage.v1: what an open page gets and sends, slow and hung pages, and the teacher."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from picar.access.content import BY_TERMINAL
from picar.web.garage import live
from picar.web.garage.live import BEAT_S, CHANGES_S, DEAF_S
from tests.garage.pages import NAME, Page, Served, served
from tests.support.raw import UPGRADE
from tests.support.waiting import until

LESSON = {"type": "lesson", "mode": "hold", "cap": 0.6, "text": "Listen, please"}


def ours(here: Served) -> list[dict[str, Any]]:
    return here.garage.cards.fields(time.monotonic())


async def test_a_page_gets_everything_once_and_then_only_what_has_changed(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.garage.put("aaaaaaaa", name="Red", adopted=True)
        here.garage.put("bbbbbbbb", name="Blue", adopted=True)
        async with here.page(here.device("Ms Lee")) as page:
            first = page.messages[0]
            assert (first["garage"], first["teacher"], first["round"]) == (NAME, True, None)
            assert first["lesson"] == {"mode": "drive", "cap": 1.0, "seq": 0, "by": "", "text": ""}
            assert (first["own"], first["broker"], first["mdns"]) == ({}, None, False)
            assert first["cars"] == ours(here)
            here.garage.put("aaaaaaaa", battery_percent=70)
            await page.wait(lambda: page.cars["aaaaaaaa"]["battery_percent"] == 70, "the change")
            here.garage.cards.drop("bbbbbbbb")
            here.garage.put("cccccccc", name="Green")
            await page.wait(lambda: "cccccccc" in page.cars, "a new car")
            changes = {car: one for message in page.of("changes") for car, one in message["cars"].items()}
            assert changes["aaaaaaaa"] == {"battery_percent": 70}
            assert changes["bbbbbbbb"] is None
            assert [*page.cars.values()] == ours(here)


async def test_changes_come_at_most_four_times_a_second_and_the_newest_wins(tmp_path: Path) -> None:
    async with served(tmp_path) as here, here.page(here.device("Ms Lee")) as page:
        began = time.monotonic()
        for number in range(100):
            here.garage.put("aaaaaaaa", link_ms=number)
            await asyncio.sleep(0.01)
        took_s = time.monotonic() - began
        assert 2 <= len(page.of("changes")) <= 2 + took_s / CHANGES_S
        await page.wait(lambda: page.cars["aaaaaaaa"]["link_ms"] == 99, "the newest value")


async def test_a_page_hears_of_a_garage_at_rest_each_second(tmp_path: Path) -> None:
    async with served(tmp_path) as here, here.page(here.device("Ms Lee")) as page:
        await page.wait(lambda: len(page.of("changes")) >= 3, "three beats")
        assert page.messages[1] == {"type": "changes", "cars": {}}
        assert page.times[3] - page.times[0] >= 2 * BEAT_S


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the list of all messages that will be encoded."""
    messages: list[dict[str, Any]] = []
    framed = live._framed

    def record(message: dict[str, Any]) -> bytes:
        messages.append(message)
        return framed(message)

    monkeypatch.setattr(live, "_framed", record)
    return messages


async def test_without_a_page_nothing_is_encoded_and_no_timer_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = recorded(monkeypatch)
    async with served(tmp_path) as here:
        for number in range(100):
            here.garage.put("aaaaaaaa", link_ms=number)
        assert here.browsers._timer is None
        assert messages == []
        async with here.page(here.device("Ms Lee")):
            assert messages
        await until(lambda: here.browsers._timer is None, "the end of the timer")


async def test_changes_are_encoded_once_for_all_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = recorded(monkeypatch)
    async with served(tmp_path) as here:
        headers = here.device("Ms Lee")
        async with here.page(headers) as one, here.page(headers) as two, here.page(headers) as three:
            messages.clear()
            here.garage.put("aaaaaaaa", link_ms=7)
            await until(lambda: all("aaaaaaaa" in page.cars for page in (one, two, three)), "the change")
            assert len([message for message in messages if message["cars"]]) == 1


async def test_a_stop_is_sent_before_any_other_work_and_answered_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        for number in range(30):
            here.garage.put(f"car{number:05d}", name=f"Car {number}", adopted=True)
        async with here.page(here.device("Ada", by="another")) as page:
            sent = time.monotonic()
            await page.send(type="stop")
            await page.wait(lambda: page.of("answer"), "the answer")
            first = page.of("answer")[0]
            assert here.garage.stops == ["Ada"]
            assert (first["stopped"], first["of"], len(first["missing"])) == (0, 30, 30)
            stopped = here.garage.round
            assert stopped
            for car in list(stopped.missing):
                stopped.heard(car, time.monotonic())
                here.garage._changed()
                await asyncio.sleep(0.01)
            await page.wait(lambda: page.of("answer")[-1]["ended"], "the last answer")
            answers = page.of("answer")
            assert answers[-1]["stopped"] == 30
            assert len(answers) <= 3 + (time.monotonic() - sent) / live.ANSWERS_S
            await page.send(type="stop")
            await page.wait(lambda: page.of("answer")[-1]["stopped"] == 0, "the answer to another stop")


async def test_each_stop_is_answered_also_when_no_car_answers(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.garage.put("aaaaaaaa", adopted=True)
        async with here.page(here.device("Ms Lee")) as page:
            for count in (1, 2, 3):
                await page.send(type="stop")
                await page.wait(lambda count=count: len(page.of("answer")) == count, "an answer")  # type: ignore[misc]
            assert page.of("answer")[0] == page.of("answer")[2]


async def test_a_page_that_opens_during_a_round_gets_its_newest_answer(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.garage.put("aaaaaaaa", adopted=True)
        here.garage.stop_all("the command line")
        async with here.page(here.device("Ms Lee")) as page:
            assert page.messages[0]["round"]["missing"] == ["aaaaaaaa"]


async def test_the_teacher_holds_and_dismisses_and_others_only_stop(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        here.garage.put("aaaaaaaa", name="Red", adopted=True)
        async with here.page(here.device("Ada", by="another")) as pupil:
            assert not pupil.messages[0]["teacher"]
            await pupil.send(**LESSON)
            await pupil.until_error("not_teacher")
            await pupil.send(type="stop")
            await pupil.wait(lambda: pupil.of("answer"), "the answer")
            await pupil.send(type="dismiss", car="aaaaaaaa")
            await pupil.wait(lambda: len(pupil.of("error")) == 2, "the refusal")
            assert here.garage.lesson.seq == 0
            assert here.garage.round
            assert here.garage.round.missing
            async with here.page(here.device("Ms Lee", by=BY_TERMINAL)) as teacher:
                await teacher.send(**LESSON)
                await pupil.wait(lambda: pupil.of("changes")[-1].get("lesson"), "the lesson")
                lesson = pupil.of("changes")[-1]["lesson"]
                assert lesson == {
                    "mode": "hold",
                    "cap": 0.6,
                    "text": "Listen, please",
                    "by": "Ms Lee",
                    "seq": 1,
                }
                await teacher.send(**LESSON, car="aaaaaaaa")
                await teacher.wait(lambda: "own" in teacher.of("changes")[-1], "the lesson of one car")
                assert here.garage.own["aaaaaaaa"].text == "Listen, please"
                await teacher.send(type="dismiss", car="aaaaaaaa")
                await teacher.wait(lambda: teacher.of("answer"), "the end of the round")
                assert teacher.of("answer")[-1]["ended"]
                assert not teacher.of("error")


async def test_this_machine_itself_is_a_teacher_without_pairing(tmp_path: Path) -> None:
    async with served(tmp_path, "local") as here, here.page() as page:
        assert page.messages[0]["teacher"]
        await page.send(**LESSON)
        await page.wait(lambda: page.of("changes") and "lesson" in page.of("changes")[-1], "the lesson")
        assert here.garage.lesson.by == NAME


@pytest.mark.parametrize(
    "message",
    [
        "", "nonsense", "[]", "7", '{"type":7}', '{"type":["stop"]}', "[" * 4000, " " * 5000 + '{"type":"stop"}', b"\x00\xff",
        '{"type":"drive"}',
    ],
)  # fmt: skip
async def test_what_is_no_message_is_refused_and_the_page_stays(tmp_path: Path, message: str | bytes) -> None:
    async with served(tmp_path) as here, here.page(here.device("Ms Lee")) as page:
        await page.write(message)
        await page.until_error("bad_message")
        await page.send(type="stop")
        await page.wait(lambda: page.of("answer"), "the answer")


@pytest.mark.parametrize(
    "values",
    [{"mode": "fly"}, {"mode": ["hold"]}, {"cap": 0}, {"cap": 1.5}, {"cap": True}, {"cap": "1"}, {"text": 7}, {"car": 7}],
)  # fmt: skip
async def test_a_lesson_with_a_wrong_value_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    async with served(tmp_path) as here, here.page(here.device("Ms Lee")) as page:
        await page.write(json.dumps(LESSON | values))
        await page.until_error("bad_value")
        await page.write(json.dumps(LESSON).replace("0.6", "NaN"))
        await page.wait(lambda: len(page.of("error")) == 2, "the refusal of NaN")
        await page.send(**LESSON, car="nothere0")
        await page.until_error("no_car")
        assert here.garage.lesson.seq == 0


async def test_a_lesson_without_a_mode_changes_cap_and_text_alone(tmp_path: Path) -> None:
    changed = {"type": "lesson", "cap": 0.4, "text": "Wait"}
    async with served(tmp_path) as here, here.page(here.device("Ms Lee")) as page:
        here.garage.put("aaaaaaaa", name="Car 1", adopted=True)
        here.garage.put_lesson("hold", 1.0, "", "Mr Ito")
        here.garage.put_lesson("drive", 1.0, "", "Mr Ito", "aaaaaaaa")
        for values in ({}, {"car": "aaaaaaaa"}):
            await page.send(**changed, **values)
        await until(lambda: here.garage.own["aaaaaaaa"].cap == 0.4, "the lesson of one car")
        own, all_ = here.garage.own["aaaaaaaa"], here.garage.lesson
        assert (own.mode, own.text) == ("drive", "Wait")
        assert (all_.mode, all_.cap, all_.text) == ("hold", 0.4, "Wait")
        await page.send(**changed, car=["aaaaaaaa"])
        await page.until_error("bad_value")


async def test_a_lesson_that_cannot_be_kept_is_reported(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as here,
        here.page(here.device("Ms Lee")) as page,
        here.page(here.device("Mr Ito")) as other,
        here.page(here.device("Ada", "Ms Lee")) as pupil,
    ):
        file = here.garage.store.path
        file.unlink(missing_ok=True)
        file.mkdir()
        await page.send(**LESSON)
        for one in (page, other):
            assert (await one.until_error("not_saved"))["message"].startswith(str(file))
        here.garage.put("aaaaaaaa", name="Red 7")
        await pupil.wait(lambda: "aaaaaaaa" in pupil.cars, "a later message")
        assert not pupil.of("error")
        assert here.garage.lesson.mode == LESSON["mode"]


async def test_a_device_that_is_removed_is_disconnected(tmp_path: Path) -> None:
    async with served(tmp_path) as here, here.page(here.device("Ada")) as page:
        here.store.revoke("Ada")
        await page.until_closed()
        assert page.close_code == 4401


async def test_a_stranger_gets_no_page(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        answer = await here.ask("GET", "/garage/ws", headers=UPGRADE)
        assert (answer.status, answer.code) == (401, "not_paired")


class HungPage:
    """A page that has shaken hands, and reads no more."""

    def __init__(self, here: Served, headers: dict[str, str]) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self._here = here
        more = "".join(f"{name}: {value}\r\n" for name, value in (UPGRADE | headers).items())
        protocol = f"Sec-WebSocket-Protocol: {live.SUBPROTOCOL}\r\n"
        self._head = (
            f"GET /garage/ws HTTP/1.1\r\nHost: 127.0.0.1:{here.port}\r\n{protocol}{more}\r\n".encode()
        )

    async def open(self) -> None:
        """Shake hands."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self._here.port))
        await loop.sock_sendall(self.socket, self._head)
        await until(lambda: self._here.browsers._all, "the hung page")

    async def rest(self) -> list[dict[str, Any]]:
        """Read all messages that wait, until the garage has nothing more to send for a while."""
        loop, data = asyncio.get_running_loop(), b""
        while not data.endswith(b'"cars":{}}'):
            data += await loop.sock_recv(self.socket, 65536)
        messages, data = [], data.partition(b"\r\n\r\n")[2]
        while data:
            size, start = data[1], 2
            if size >= 126:
                start = 4 if size == 126 else 10
                size = int.from_bytes(data[2:start])
            messages.append(json.loads(data[start : start + size]))
            data = data[start + size :]
        return messages


async def fill(here: Served, page: HungPage) -> int:
    """Change all cards until the hung page takes no more; return the newest value."""
    (browser,) = here.browsers._all
    number = 0
    while not browser._lacks:
        number += 1
        for car in range(300):
            here.garage.cards.put(f"car{car:05d}", time.monotonic(), name=f"{number}" + "x" * 60)
        here.garage._changed()
        await asyncio.sleep(0.05)
    return number


async def test_a_hung_page_delays_no_other_page_and_no_stop_and_is_disconnected(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        headers = here.device("Ms Lee")
        hung = HungPage(here, headers)
        await hung.open()
        await fill(here, hung)
        filled = time.monotonic()
        async with here.page(headers) as page:
            await page.send(type="stop")
            await page.wait(lambda: page.of("answer"), "the answer")
            here.garage.put("car00000", link_ms=7)
            await page.wait(lambda: page.cars["car00000"]["link_ms"] == 7, "the change")
            assert time.monotonic() - filled < DEAF_S
            assert len(here.browsers._all) == 2
            await until(lambda: len(here.browsers._all) == 1, "the end of the hung page")
            assert time.monotonic() - filled >= DEAF_S
            assert not page.closed
        hung.socket.close()


async def test_a_page_that_was_slow_gets_the_newest_values_once(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        slow = HungPage(here, here.device("Ms Lee"))
        await slow.open()
        number = await fill(here, slow)
        here.garage.cards.drop("car00007")
        here.garage.put("car00008", link_ms=1)
        here.garage.stop_all("Ms Lee")
        (browser,) = here.browsers._all
        await until(lambda: browser._lacks.keys() >= {"changes", "answer"}, "kept values")
        here.garage.put("car00008", link_ms=2)
        await until(
            lambda: browser._lacks["changes"]["cars"]["car00008"].get("link_ms") == 2, "the newest value"
        )
        page = Page("http://nowhere")
        for message in await slow.rest():
            page.receive(json.dumps(message))
        assert {car["id"]: car for car in ours(here)} == page.cars
        assert page.cars["car00009"]["name"].startswith(f"{number}x")
        assert len(page.of("answer")) == 1
        slow.socket.close()
