"""The recordings over HTTP: their list, the files, a picture and a timeline of each for the page.

Law: a disk that hangs delays no message. Another process reads the folder (`recording/shelf.py`); nothing waits for its end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
from http import HTTPStatus
from typing import Any

from tornado.iostream import PipeIOStream, StreamClosedError

from picar.car.hub import Hub
from picar.config import RecordingConfig
from picar.errors import RecordingError
from picar.journal.flight import FlightRecorder
from picar.program import python, python_environment
from picar.recording import NAME, SUFFIX, TOPICS, folder_of
from picar.web.api.journal import save_flight
from picar.web.auth import Gate
from picar.web.handler import JsonHandler, Refused, Route, bad_request

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # an SD card may take seconds for one write
IDLE_S = 10.0  # then the process ends
END_S = 1.0
MOST_WAITING = 8  # questions
DRIVEN_PAUSE_S = 0.2  # between two pieces while a client drives, which needs the radio
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_BUSY = "The car reads other recordings now. Try again."
_HANGS = "The disk with the recordings does not answer."
_OFF = "This car does not record: [recording] enabled is false in its configuration."
_BAD_RANGE = "The range begins behind the end of this recording."
_NOT_FOUND = "There is no such recording, or it has no picture."


class Shelf:
    """The server's end of the process that reads the folder of the recordings."""

    def __init__(self, config: RecordingConfig, gate: Gate) -> None:
        self._config, self._gate = config, gate
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: PipeIOStream | None = None
        self._end: asyncio.TimerHandle | None = None

    async def ask(
        self, do: str, name: str = "x", *, goes_on: bool = False, **more: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Return the members and the bytes of an answer. An answer that `goes_on` is not refused for those that wait.

        Raises:
            Refused: there is no such recording, it cannot be read, or too many questions wait.
        """
        if not NAME.fullmatch(name):
            raise _not_found()
        if self._waiting >= MOST_WAITING and not goes_on:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", _BUSY, Retry_After="2")
        self._waiting += 1
        try:
            async with self._turn:
                members, data = await self._answer(do=do, name=name, **more)
        finally:
            self._waiting -= 1
        if "fault" in members:
            raise (
                _not_found()
                if not members["fault"]
                else Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_read", members["fault"], Retry_After="2")
            )
        return members, data

    async def _answer(self, **question: Any) -> tuple[dict[str, Any], bytes]:
        if self._end:
            self._end.cancel()
        try:
            async with asyncio.timeout(ANSWER_S):
                process, answers = await self._running()
                assert process.stdin
                process.stdin.write(
                    json.dumps(question).encode() + b"\n"
                )  # shorter than the pipe, which is empty
                members = json.loads(await answers.read_until(b"\n"))
                data = await answers.read_bytes(members["bytes"]) if members["bytes"] else b""
        except (OSError, StreamClosedError):  # TimeoutError is one
            self._stop()
            return {"fault": _HANGS}, b""
        self._end = asyncio.get_running_loop().call_later(IDLE_S, self._stop)
        return members, data

    async def _running(self) -> tuple[subprocess.Popen[bytes], PipeIOStream]:
        if self._process and self._answers:
            return self._process, self._answers
        for _ in range(100):
            if self._process is None or self._process.poll() is not None:
                break
            await asyncio.sleep(END_S / 100)
        else:  # it was killed, but while the disk hangs it cannot end
            raise TimeoutError
        return self._start()

    def _start(self) -> tuple[subprocess.Popen[bytes], PipeIOStream]:
        folder = folder_of(self._config, self._gate.store.path.parent)
        command, pipe = [*python("picar.recording.shelf"), str(folder)], subprocess.PIPE
        mine, its = os.pipe()
        try:
            process = subprocess.Popen(
                command, stdin=pipe, stdout=its, bufsize=0, env=python_environment(), start_new_session=True
            )
        finally:
            os.close(its)
        self._process, self._answers = process, PipeIOStream(mine)
        return process, self._answers

    def _stop(self) -> None:
        """End the process without waiting for its end."""
        if self._process and self._process.stdin and self._answers:
            self._process.stdin.close()
            self._answers.close()
            self._answers = None
            self._process.kill()
            asyncio.get_running_loop().call_later(END_S, self._process.poll)


class RecordingsHandler(JsonHandler):
    """The base of these handlers."""

    hub: Hub
    shelf: Shelf

    async def send(self, do: str, name: str, **question: Any) -> None:
        """Send an answer in pieces; between two, other requests and messages have their turn."""
        try:
            while True:
                members, piece = await self.shelf.ask(do, name, goes_on=self._headers_written, **question)
                question["at"] = members["next"]
                self.write(piece)
                await self.flush()
                if not members["next"]:
                    return
                await self.wait_for_turn()
                await asyncio.sleep(DRIVEN_PAUSE_S if self.hub.is_driving else 0)
        except StreamClosedError:
            pass
        except asyncio.CancelledError:  # the server ends; Tornado would log an answer that is not whole
            self._break_off()
        except Refused as refusal:
            if not self._headers_written:
                raise
            log.warning("a recording was not sent to its end: %s", refusal.sentence)
            self._break_off()

    def _break_off(self) -> None:
        getattr(self.request.connection, "stream").close()  # noqa: B009 - unknown to Tornado's types


class Recordings(RecordingsHandler):
    """`GET /api/v1/recordings`: the list; `POST`: save the last minute as a recording."""

    flight: FlightRecorder

    async def get(self) -> None:
        """Send the list."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write((await self.shelf.ask("list"))[1])

    head = get

    async def post(self) -> None:
        """Save the last minute of the flight recorder, and answer with the name of the recording."""
        self.members()
        if self.hub.recordings is None:
            raise Refused(HTTPStatus.CONFLICT, "recording_off", _OFF)
        try:
            name = await save_flight(self.hub.recordings, self.flight)
        except RecordingError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "recording_failed", str(error)) from None
        self.set_status(HTTPStatus.CREATED)
        self.write({"name": name.removesuffix(SUFFIX)})


class Recording(RecordingsHandler):
    """`/api/v1/recordings/NAME.mcap`: `GET` the file, or the bytes that the header Range names; `DELETE` it."""

    async def get(self, name: str) -> None:
        """Send the bytes. A range in another form than `bytes=1-` or `bytes=1-9` means all (RFC 9110 §14.2)."""
        size = (await self.shelf.ask("read", name))[0]["size"]
        wanted = _RANGE.fullmatch(self.request.headers.get("Range", ""))
        begin = int(wanted[1]) if wanted else 0
        end = min(size, int(wanted[2]) + 1) if wanted and wanted[2] else size
        if wanted and begin >= end:
            span = f"bytes */{size}"
            raise Refused(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "bad_range", _BAD_RANGE, Content_Range=span
            )
        if wanted:
            self.set_status(HTTPStatus.PARTIAL_CONTENT)
            self.set_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", f'attachment; filename="{name}{SUFFIX}"')
        self.set_header("Content-Length", str(end - begin))
        if self.request.method == "GET":
            await self.send("read", name, at=begin, end=end)

    head = get

    async def delete(self, name: str) -> None:
        """Delete the recording."""
        await self.shelf.ask("delete", name)
        who = self.visitor.name if self.visitor else None
        log.info("recording %s deleted by %s at %s", name, who or "somebody", self.request.remote_ip)
        self.set_status(HTTPStatus.NO_CONTENT)


class Extract(RecordingsHandler):
    """`GET /api/v1/recordings/NAME.jsonl`: its messages, of a picture the place in the file; `NAME.jpg`: the first picture."""

    do: str
    kind: str

    async def get(self, name: str) -> None:
        """Send it; of the messages those of the topics that are asked for, all by default."""
        topics = self.get_query_argument("topics", ",".join(TOPICS)).split(",")
        if not set(topics) <= set(TOPICS):
            raise bad_request(f"topics are some of {', '.join(TOPICS)}, with commas between")
        self.set_header("Content-Type", self.kind)
        await self.send(self.do, name, topics=topics)

    head = get


def _not_found() -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, "not_found", _NOT_FOUND)


def routes(hub: Hub, flight: FlightRecorder, gate: Gate) -> list[Route]:
    """Return the routes of the recordings."""
    parts = {"hub": hub, "shelf": Shelf(hub.config.recording, gate)}
    name = r"/api/v1/recordings/([^/.]+)"
    return [
        (r"/api/v1/recordings", Recordings, parts | {"flight": flight}),
        (rf"{name}\.mcap", Recording, parts),
        (rf"{name}\.jpg", Extract, parts | {"do": "picture", "kind": "image/jpeg"}),
        (
            rf"{name}\.jsonl",
            Extract,
            parts | {"do": "timeline", "kind": "application/x-ndjson; charset=utf-8"},
        ),
    ]
