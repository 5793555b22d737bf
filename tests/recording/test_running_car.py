"""Recordings of a running car: who starts them, what is in them, and what a death costs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from picar.recording.channels import topics
from picar.recording.messages import jpeg_of
from picar.recording.reader import opened
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CAMERA = '[camera]\nsource = "test"\nfps = 15\n'
LOST_S = 1.2  # of a drive, by the death of the recorder
SCHEMAS = {one.topic: json.loads(one.definition) for one in topics() if one.encoding == "json"}


def folder_of(car: Product) -> Path:
    return car.folder / "state" / "picar" / "recordings"


def read(path: Path) -> list[tuple[str, int, Any]]:
    """Return all messages of a recording: topic, CLOCK_MONOTONIC in ns, JSON or JPEG."""
    with opened(path) as recording:
        assert recording.is_finished
        return [
            (one.topic, one.publish_ns, jpeg_of(one.data) if one.topic == "/camera" else json.loads(one.data))
            for one in recording.messages()
        ]


@contextlib.asynccontextmanager
async def recording(car: Product) -> AsyncIterator[Client]:
    """Drive and record."""
    async with Client(car.url) as phone:
        await phone.take()
        await phone.ask("record", on=True)
        await phone.until(lambda s: s["recording"] and s["recording"]["bytes"])
        phone.hold(0.6, 0.2)
        await car.until_driving()
        yield phone


async def the_file(car: Product) -> Path:
    """Wait for the only finished recording."""
    found: list[Path] = await until(lambda: list(folder_of(car).glob("*.mcap")), "a finished recording")
    (path,) = found
    return path


async def test_the_driver_alone_records_and_every_client_sees_it() -> None:
    async with Product() as car, Client(car.url) as driver, Client(car.url) as other:
        assert driver.hello["car"]["recording"] is True
        assert driver.state["recording"] is None
        await driver.take()
        await other.ask("record", on=True)
        await other.wait(lambda: other.codes == ["not_driver"], "a refusal")
        await driver.send(type="record", on=True, tick=1)
        await driver.wait(lambda: driver.codes == ["stale"], "a refusal")
        await driver.ask("record", on=True)
        seen = await other.until(lambda s: s["recording"] and s["recording"]["bytes"])
        assert seen["recording"]["by"] == driver.id
        assert seen["recording"]["dropped"] == 0
        await driver.ask("record", on=True)  # changes nothing
        await other.until(lambda s: s["recording"]["s"] > 1.2)
        assert car.recorder_pid()
        await driver.ask("record", on=False)
        await other.until(lambda s: s["recording"] is None)
        path = await the_file(car)
        await until(lambda: car.recorder_pid() is None, "the end of the recorder")
        assert path.stat().st_size > 10_000


async def test_without_recordings_the_hello_says_so_and_a_record_is_refused() -> None:
    async with Product(config="[recording]\nenabled = false\n") as car, Client(car.url) as driver:
        assert driver.hello["car"]["recording"] is False
        await driver.take()
        await driver.ask("record", on=True)
        await driver.wait(lambda: driver.codes == ["recording_off"], "a refusal")
        assert driver.state["recording"] is None


async def test_a_recording_has_every_command_status_event_and_picture_as_its_schemas_say() -> None:
    async with Product(pins="sim", config=CAMERA) as car:
        async with recording(car) as phone:
            await phone.send(
                type="tank", seq=phone.session.seq + 1, tick=phone.session.tick, left=0.5, right=1.0
            )
            phone.session.seq += 1
            await phone.ask("limit", speed=0.6)
            await phone.until(lambda s: s["recording"]["bytes"] > 200_000 and s["speed_limit"] == 0.6)
            await phone.let_go()
            await phone.send(type="stop")
            await phone.until(lambda s: s["state"] == "stopped")
            sent = phone.session.seq
            await phone.ask("record", on=False)
        messages = read(await the_file(car))
    for topic, _, fields in messages:
        if topic in SCHEMAS:
            jsonschema.validate(fields, closed(SCHEMAS[topic]))
        else:
            assert fields.startswith(b"\xff\xd8")
    by_topic = Counter(topic for topic, _, _ in messages)
    assert set(by_topic) == {one.topic for one in topics()}
    commands = [fields for topic, _, fields in messages if topic == "/picar/cmd"]
    numbers = [one["n"] for one in commands]
    assert numbers == sorted(numbers)
    assert len(commands) == sent - 1  # the neutral of `take` came before the recording
    assert {one["throttle"] for one in commands} == {0.6, 0.75, 0.0}
    assert [one["left"] for one in commands if "left" in one] == [0.5]
    assert commands[-1]["speed_limit"] == 0.6
    states = [fields["state"] for topic, _, fields in messages if topic == "/picar/state"]
    assert states[0] == "armed"
    assert states[-1] == "stopped"
    events = [fields["name"] for topic, _, fields in messages if topic == "/picar/event"]
    assert events == ["record", "limit", "stop", "stop", "state"]
    texts = [fields["message"] for topic, _, fields in messages if topic == "/log"]
    assert "armed -> stopped (stop)" in texts


async def test_a_recording_keeps_the_camera_on_and_its_end_lets_it_go() -> None:
    async with Product(config=CAMERA) as car, recording(car) as phone:
        await until(car.camera_pid, "the camera process")
        await phone.let_go()
        await phone.ask("record", on=False)
        await until(lambda: car.camera_pid() is None, "the end of the camera process")


async def test_without_images_a_recording_leaves_the_camera_off() -> None:
    async with Product(config=CAMERA + "[recording]\nimages = false\n") as car:
        async with recording(car) as phone:
            await phone.until(lambda s: s["recording"]["s"] > 1.0)
            assert car.camera_pid() is None
            await phone.ask("record", on=False)
        assert "/camera" not in {topic for topic, _, _ in read(await the_file(car))}


async def kill_server(car: Product) -> None:
    os.kill(car.process.pid, signal.SIGKILL)


async def kill_motor(car: Product) -> None:
    os.kill(car.motor_pid(), signal.SIGKILL)


async def kill_recorder(car: Product) -> None:
    pid = car.recorder_pid()
    assert pid
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_server, kill_motor, kill_recorder])
async def test_kill_9_costs_a_recording_at_most_the_last_1_2_s(kill: Callable[[Product], Any]) -> None:
    async with Product(config=CAMERA) as car:
        async with recording(car) as phone:
            await phone.until(lambda s: s["recording"]["s"] > 2.0)
            await kill(car)
            died_at = time.monotonic_ns()
            if kill is kill_recorder:
                await phone.until(lambda s: s["recording"] == {"ended": "failed"})
                assert car.is_driving()
            else:
                await car.until_low()
        messages = read(await the_file(car))
    lost_s = (died_at - max(at_ns for _, at_ns, _ in messages)) / 1e9
    assert lost_s <= LOST_S
    assert {"/picar/cmd", "/picar/wheels", "/picar/state"} <= {topic for topic, _, _ in messages}


async def test_the_next_start_of_the_server_repairs_what_killed_processes_left() -> None:
    async with Product() as first:
        async with recording(first) as phone:
            await phone.until(lambda s: s["recording"]["s"] > 2.0)
            first.signal(signal.SIGSTOP)  # else it would repair the file now
            await kill_recorder(first)
            await kill_server(first)
        assert not list(folder_of(first).glob("*.mcap"))
        async with Product(env={"XDG_STATE_HOME": str(first.folder / "state")}):
            assert read(await the_file(first))


async def test_sigterm_to_all_processes_leaves_a_whole_recording() -> None:
    async with Product() as car:
        async with recording(car) as phone:
            await phone.until(lambda s: s["recording"]["s"] > 1.5)
            pid = car.recorder_pid()
            assert pid
            os.kill(pid, signal.SIGTERM)
            assert await car.terminate() == 0
        assert read(await the_file(car))


async def test_a_recording_that_cannot_be_written_ends_and_the_drive_goes_on() -> None:
    async with Product(config='[recording]\nfolder = "/proc/picar"\n') as car, Client(car.url) as phone:
        await phone.take()
        await phone.ask("record", on=True)
        await phone.until(lambda s: s["recording"] == {"ended": "failed"})
        phone.hold(0.5)
        await car.until_driving()
        assert "the recording ends: " in car.log()
        await phone.until(lambda s: s["recording"] is None)


def closed(schema: Any) -> Any:
    """Return a schema that allows no other key than its own."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    within = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **within} if "properties" in schema else within
