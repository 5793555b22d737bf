"""The description of the HTTP interface says what the running car does, and all of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest

import picar.web
from picar.access.store import MOST_PAIRED, AccessStore
from picar.access.tokens import TRIES
from picar.calibration.values import PULSES, Calibration, option_of
from picar.config import BoardConfig, Config, KindName, LayoutConfig, LayoutName, ServerConfig
from picar.layouts import LAYOUTS
from picar.web.server import application
from tests.recording import files
from tests.support.household import Household
from tests.support.raw import UPGRADE, Answer, ask

WEB = Path(picar.web.__file__).parent
EVIL = {"Origin": "http://evil.example"}
JSON = {"Content-Type": "application/json"}
NOBODY: dict[str, str] = {"Cookie": ""}
GARAGE = {"Authorization": "Bearer <garage>"}
# Provoked elsewhere: a full car (test_crowd), a list that cannot be written (test_state_file), a silent motor
# process and a failure of the server's own (test_faults), the switch of a machine that is the car's (test_power).
ELSEWHERE = {(503, "too_many"), (503, "not_saved"), (503, "motor_silent"), (500, "error")}
ELSEWHERE |= {(503, "no_picture"), (202, ""), (409, "moving"), (503, "not_available"), (503, "not_drawn")}
ELSEWHERE |= {(403, "https_only"), (403, "closed")}  # test_tls; one answer describes several
ELSEWHERE |= {(403, "not_driver")}  # test_fleet_access
ELSEWHERE |= {(403, "guest"), (409, "too_many_guests")}  # tests/access/test_inviting_guests
OVER_HTTPS = {("/help/ca.crt", "GET", 200, ""), ("/help/ca.crt", "GET", 304, "")}  # test_tls_help
ELSEWHERE |= {(409, "busy"), (409, "known")}  # with the watcher of the WiFi (test_wifi)
ELSEWHERE |= {
    (503, "not_read"),
    (503, "busy"),
    (503, "recording_failed"),
    (409, "recording_off"),
}  # test_recordings
# An answer of which only the beginning can be read (test_camera), and one that needs that watcher.
ENDLESS = {("/stream.mjpg", "GET", 200, ""), ("/api/v1/wifi", "GET", 200, "")}
WEBSOCKETS = ("/ws", "/ws/video")
CLASSIC = ("/", "POST")  # of `web/bridges`, off by default: tests/web/test_classic.py
SAME_FOR_ALL = ("/", "/static/{path}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WEB / "api/openapi.json").read_text(encoding="utf-8"))
    return found


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference."""
    while "$ref" in part:
        path = part["$ref"].removeprefix("#/").split("/")
        part = document()
        for name in path:
            part = part[name]
    return part


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each operation of a car without foreign protocols."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if (path, method.upper()) != CLASSIC:
                yield path, method.upper(), operation


def codes_of(response: dict[str, Any]) -> set[str]:
    """Return the error codes that a response may have."""
    text = json.dumps(resolve(response).get("content", {}))
    return {code for codes in re.findall(r'"enum": (\[[^\]]*\])', text) for code in json.loads(codes)}


def documented() -> set[tuple[str, str, int, str]]:
    """Return every path, method, status and code; the code is empty where there is none."""
    return {
        (path, method, int(status), code)
        for path, method, operation in operations()
        for status, response in operation["responses"].items()
        for code in codes_of(response) or {""}
    }


def validate(answer: Answer, operation: dict[str, Any]) -> None:
    """Check an answer against what is said of its status."""
    response = resolve(operation["responses"][str(answer.status)])
    for name, header in response.get("headers", {}).items():
        if header.get("required"):
            assert name.lower() in answer.headers, name
        if name.lower() in answer.headers:
            value = answer.headers[name.lower()]
            is_number = header["schema"].get("type") == "integer"
            jsonschema.validate(int(value) if is_number else value, header["schema"])
    content = response.get("content", {})
    if not content:
        return
    kind = answer.headers.get("content-type", "").partition(";")[0]
    (schema,) = [media["schema"] for said, media in content.items() if said in (kind, "*/*")]
    if kind == "application/json":
        whole = {**schema, "components": document()["components"]}
        jsonschema.Draft202012Validator(whole).validate(answer.json)


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[Household]:
    async with Household() as household:
        (household.state / "recordings").mkdir()
        files.write(household.state / "recordings" / "drive.mcap")
        files.write(household.state / "recordings" / "dark.mcap", [])
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


# Method, path, headers, body -> status, code. Without a Cookie of its own it is Mia who asks; <token>, <pin> and
# <wrong> stand for the car's.
TABLE: list[tuple[str, str, dict[str, str], object, int, str]] = [
    ("GET", "/", {}, None, 200, ""),
    ("GET", "/", {"If-None-Match": "*"}, None, 304, ""),
    ("GET", "/static/style.css", {}, None, 200, ""),
    ("GET", "/static/style.css", {"Range": "bytes=0-9"}, None, 206, ""),
    ("GET", "/static/style.css", {"Range": "bytes=9999999-"}, None, 416, ""),
    ("GET", "/static/style.css", {"If-None-Match": "*"}, None, 304, ""),
    ("GET", "/static/nothing.css", {}, None, 404, "not_found"),
    ("GET", "/static/../pyproject.toml", {}, None, 403, "forbidden"),
    ("GET", "/ws", UPGRADE | {"Sec-WebSocket-Protocol": "picar.v1"}, None, 101, ""),
    ("GET", "/ws?quiet=1", UPGRADE | {"Sec-WebSocket-Protocol": "picar.v1"}, None, 101, ""),
    ("GET", "/ws", {}, None, 426, "not_websocket"),
    ("GET", "/ws", UPGRADE | {"Sec-WebSocket-Version": "7"}, None, 426, "not_websocket"),
    ("GET", "/ws", UPGRADE | {"Connection": "close"}, None, 400, "bad_request"),
    ("GET", "/ws", UPGRADE | {"Sec-WebSocket-Key": ""}, None, 400, "bad_request"),
    *(("GET", f"/wiring{kind}?lang=zh", {}, None, 200, "") for kind in ("", ".svg", ".css")),
    *(("GET", f"/wiring{kind}?lang=fr", {}, None, 400, "bad_request") for kind in ("", ".svg", ".css")),
    ("GET", "/ws/video", UPGRADE | {"Sec-WebSocket-Protocol": "picar-video.v1"}, None, 101, ""),
    ("GET", "/ws/video", {}, None, 426, "not_websocket"),
    ("GET", "/ws/video?camera=1", UPGRADE, None, 404, "no_camera"),
    ("GET", "/snapshot.jpg", {}, None, 200, ""),
    ("GET", "/snapshot.jpg?camera=1", {}, None, 404, "no_camera"),
    ("GET", "/stream.mjpg?fps=0", {}, None, 400, "bad_request"),
    ("GET", "/stream.mjpg?camera=1", {}, None, 404, "no_camera"),
    ("GET", "/healthz", {}, None, 200, ""),
    *(("GET", f"/wiring{kind}", {}, None, 200, "") for kind in ("", ".svg", ".css")),
    *(("GET", f"/wiring{kind}", {"If-None-Match": "*"}, None, 304, "") for kind in ("", ".svg", ".css")),
    *(("GET", f"/help/{file}", {}, None, 200, "") for file in ("https", "wifi", "trusted.svg")),
    *(
        ("GET", f"/help/{file}", {"If-None-Match": "*"}, None, 304, "")
        for file in ("https", "wifi", "trusted.svg")
    ),
    ("GET", "/help/ca.crt", {}, None, 403, "closed"),
    ("GET", "/api/v1/wifi", {}, None, 503, "not_available"),
    ("POST", "/api/v1/wifi", {}, {"ssid": "Home"}, 403, "pin_needed"),
    ("POST", "/api/v1/wifi", {}, {"ssid": "Home", "pin": "<wrong>"}, 403, "wrong_pin"),
    ("POST", "/api/v1/wifi", {}, {"ssid": "Home", "pin": "<pin>"}, 503, "not_available"),
    ("POST", "/api/v1/wifi", {}, {"ssid": "", "pin": "<pin>"}, 400, "bad_request"),
    ("POST", "/api/v1/wifi", {"Content-Type": "text/plain"}, {"ssid": "Home"}, 415, "not_json"),
    ("GET", "/api/v1/state", {}, None, 200, ""),
    ("POST", "/api/v1/stop", {}, {}, 200, ""),
    ("POST", "/api/v1/stop", {"Content-Type": "text/plain"}, "x", 200, ""),
    ("GET", "/api/v1/flight", {}, None, 200, ""),
    ("GET", "/api/v1/recordings", {}, None, 200, ""),
    ("POST", "/api/v1/recordings", {}, {}, 201, ""),
    ("POST", "/api/v1/recordings", {}, {"for": "Ben"}, 400, "bad_request"),
    ("POST", "/api/v1/recordings", {"Content-Type": "text/plain"}, {}, 415, "not_json"),
    ("GET", "/api/v1/recordings/drive.mcap", {}, None, 200, ""),
    ("GET", "/api/v1/recordings/drive.mcap", {"Range": "bytes=0-9"}, None, 206, ""),
    ("GET", "/api/v1/recordings/drive.mcap", {"Range": "bytes=9999999-"}, None, 416, "bad_range"),
    ("GET", "/api/v1/recordings/drive.jsonl", {}, None, 200, ""),
    ("GET", "/api/v1/recordings/drive.jsonl?topics=/nothing", {}, None, 400, "bad_request"),
    ("GET", "/api/v1/recordings/drive.jpg", {}, None, 200, ""),
    ("GET", "/api/v1/recordings/dark.jpg", {}, None, 404, "not_found"),
    *(
        ("GET", f"/api/v1/recordings/none.{kind}", {}, None, 404, "not_found")
        for kind in ("mcap", "jsonl", "jpg")
    ),
    ("DELETE", "/api/v1/recordings/none.mcap", {}, None, 404, "not_found"),
    ("DELETE", "/api/v1/recordings/dark.mcap", {}, None, 204, ""),
    ("GET", "/api/v1/session", {}, None, 200, ""),
    ("GET", "/api/v1/session", NOBODY, None, 200, ""),
    ("GET", "/api/v1/openapi.json", NOBODY, None, 200, ""),
    ("POST", "/api/v1/pair", NOBODY, {"pin": "<pin>", "name": "Ben"}, 200, ""),
    ("POST", "/api/v1/pair", NOBODY, {"token": "<token>"}, 200, ""),
    ("POST", "/api/v1/pair", NOBODY, {"pin": "<pin>", "name": "Room 7", "kind": "garage"}, 200, ""),
    ("POST", "/api/v1/pair", NOBODY, {"token": "x"}, 403, "expired"),
    ("POST", "/api/v1/pair", NOBODY, {"pin": "<wrong>"}, 403, "wrong_pin"),
    ("POST", "/api/v1/pair", NOBODY, {}, 400, "bad_request"),
    ("POST", "/api/v1/pair", NOBODY | {"Content-Type": "text/plain"}, {}, 415, "not_json"),
    ("POST", "/api/v1/invite", {}, {}, 200, ""),
    ("POST", "/api/v1/invite", {}, {"for": "Ben"}, 400, "bad_request"),
    ("POST", "/api/v1/invite", {}, {"for_s": 600, "name": "Ben"}, 200, ""),
    ("POST", "/api/v1/invite", {}, {"for_s": 59, "name": "Ben"}, 400, "bad_request"),
    ("POST", "/api/v1/pair", NOBODY, {"token": "<guest>"}, 200, ""),
    ("POST", "/api/v1/pair", NOBODY, {"token": "g.x"}, 403, "expired"),
    ("POST", "/api/v1/invite", {"Content-Type": "text/plain"}, {}, 415, "not_json"),
    ("POST", "/api/v1/speed-cap", {}, {"speed": 0.5}, 200, ""),
    ("POST", "/api/v1/speed-cap", {}, {"speed": 0.6}, 403, "pin_needed"),
    ("POST", "/api/v1/speed-cap", {}, {"speed": 0.6, "pin": "<wrong>"}, 403, "wrong_pin"),
    ("POST", "/api/v1/speed-cap", {}, {"speed": 1.0, "pin": "<pin>"}, 200, ""),
    ("POST", "/api/v1/speed-cap", {}, {"speed": 0}, 400, "bad_request"),
    ("POST", "/api/v1/speed-cap", {"Content-Type": "text/plain"}, {"speed": 1}, 415, "not_json"),
    ("GET", "/api/v1/lesson", {}, None, 200, ""),
    ("PUT", "/api/v1/lesson", {}, {"mode": "drive", "pin": "<pin>"}, 200, ""),
    ("PUT", "/api/v1/lesson", {}, {"mode": "drive", "pin": "<wrong>"}, 403, "wrong_pin"),
    ("PUT", "/api/v1/lesson", {}, {"scope": "all", "mode": "drive", "seq": 1}, 403, "not_garage"),
    ("PUT", "/api/v1/lesson", GARAGE, {"scope": "all", "mode": "drive", "seq": 1, "text": "Go"}, 200, ""),
    ("PUT", "/api/v1/lesson", GARAGE, {"scope": "all", "mode": "drive", "seq": 0}, 409, "old_lesson"),
    ("PUT", "/api/v1/lesson", GARAGE, {"scope": "all", "mode": "stop", "seq": 2}, 400, "bad_request"),
    ("PUT", "/api/v1/lesson", {"Content-Type": "text/plain"}, {}, 415, "not_json"),
    ("POST", "/api/v1/fleet-cap", {}, {"speed": 0.9}, 403, "not_garage"),
    ("POST", "/api/v1/fleet-cap", GARAGE, {"speed": 0.9}, 200, ""),
    ("POST", "/api/v1/fleet-cap", GARAGE, {"speed": 1}, 403, "cap_not_raised"),
    ("POST", "/api/v1/fleet-cap", GARAGE, {"speed": 2}, 400, "bad_request"),
    ("POST", "/api/v1/fleet-cap", {"Content-Type": "text/plain"}, {}, 415, "not_json"),
    ("GET", "/api/v1/calibration", {}, None, 200, ""),
    ("GET", "/api/v1/power", {}, None, 200, ""),
    ("POST", "/api/v1/power", {}, {"action": "off"}, 501, "not_available"),
    ("POST", "/api/v1/power", {}, {"action": "halt"}, 400, "bad_request"),
    ("POST", "/api/v1/power", {"Content-Type": "text/plain"}, {"action": "off"}, 415, "not_json"),
]
GUESS = {"Authorization": "Basic bWlhOm5vIHRva2VuIG9mIHRoaXMgY2Fy"}
LAST = [("GET", path, 429, "too_many_tries") for path in ("/snapshot.jpg", "/stream.mjpg")]
LAST += [("PUT", "/api/v1/lesson", 429, "too_many_tries")]
LAST += [("POST", "/api/v1/pair", 409, "too_many_paired")] + [
    ("POST", path, 429, "too_many_tries") for path in ("/api/v1/pair", "/api/v1/speed-cap", "/api/v1/wifi")
]


def operation_of(path: str, method: str) -> tuple[str, dict[str, Any]]:
    """Return the documented path, and what is said of it."""
    known = "/static/{path}" if path.startswith("/static/") else path.partition("?")[0]
    known = re.sub(r"(/recordings/)\w+", r"\1{name}", known)
    return known, document()["paths"][known][method.lower()]


async def send(
    house: Household, asked: tuple[str, str, dict[str, str], object], who: dict[str, str]
) -> Answer:
    """Send a request of the table."""
    method, path, headers, body = asked
    words = {"<pin>": house.pin, "<wrong>": house.wrong_pin}
    words["<token>"] = AccessStore(house.state).invitation(time.monotonic())
    if headers == GARAGE:
        headers = {"Authorization": f"Bearer {house.token('Room 3', 'garage')}"}
    text = json.dumps(body)
    if "<guest>" in text:
        invited = await house.ask("POST", "/api/v1/invite", {"for_s": 600, "name": "Ben"}, who)
        words["<guest>"] = invited.json["link"].partition("/#pair=")[2]
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    kind = {} if body is None else JSON
    return await ask(
        house.address, method, path, kind | who | headers, None if body is None else text.encode()
    )


async def test_every_answer_is_as_described(house: Household, mia: dict[str, str]) -> None:
    given = set()
    for method, path, headers, body, status, code in TABLE:
        answer = await send(house, (method, path, headers, body), mia)
        told = answer.code if answer.headers.get("content-type", "").startswith("application/json") else ""
        assert (answer.status, told) == (status, code), (method, path, headers, body)
        known, operation = operation_of(path, method)
        validate(answer, operation)
        given.add((known, method, answer.status, told))
    for path, method, operation in operations():
        good = UPGRADE if path in WEBSOCKETS else {}
        for headers, code in (
            (mia | EVIL, "foreign_origin"),
            (mia | {"Host": "evil.example"}, "wrong_host"),
            (NOBODY, "not_paired"),
            (mia | {"Host": "a b"}, ""),
            (mia | {"X-Big": "x" * 9000}, "head_too_big"),
        ):
            if code == "not_paired" and not operation["security"]:
                continue
            if code == "foreign_origin" and path in SAME_FOR_ALL:
                continue
            answer = await send(
                house, (method, path.format(path="style.css", name="drive"), good | headers, None), {}
            )
            assert code in ("", answer.code), (path, headers)
            if code:
                validate(answer, operation)
            given.add((path, method, answer.status, answer.code))
    given |= await provoke_the_last_ones(house, mia)
    missing = {
        one
        for one in documented() - given - ENDLESS - OVER_HTTPS
        if one[2:] not in ELSEWHERE and one[2] not in (400, 405)
    }
    assert not missing, "described, and never given"
    extra = {one for one in given - documented() if one[2] not in (400, 421, 426)}
    assert not extra, "given, and not described"


async def test_the_page_that_a_browser_gets_for_a_refusal_is_described_too(house: Household) -> None:
    for path, method, operation in operations():
        headers = {"Host": "evil.example", "Accept": "text/html,*/*;q=0.8"}
        answer = await ask(house.address, method, path.format(path="style.css", name="drive"), headers)
        assert (answer.status, answer.headers["content-type"]) == (421, "text/html; charset=utf-8")
        validate(answer, operation)


async def provoke_the_last_ones(house: Household, mia: dict[str, str]) -> set[tuple[str, str, int, str]]:
    """Provoke what would spoil the others: too many wrong PINs, too many phones."""
    store = AccessStore(house.state)
    while len(store.paired) < MOST_PAIRED:
        store.pair("phone")
    answers = {("POST", "/api/v1/pair"): [await house.pair()]}
    for _ in range(TRIES):
        await house.pair(pin=house.wrong_pin)
    answers["POST", "/api/v1/pair"].append(await house.pair())
    await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.5}, mia)
    raised = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.6, "pin": house.pin}, mia)
    answers["POST", "/api/v1/speed-cap"] = [raised]
    wanted = {"ssid": "Home", "pin": house.pin}
    answers["POST", "/api/v1/wifi"] = [await house.ask("POST", "/api/v1/wifi", wanted, mia)]
    lift = {"mode": "drive", "pin": house.pin}
    answers["PUT", "/api/v1/lesson"] = [await house.ask("PUT", "/api/v1/lesson", lift, mia)]
    for path in ("/snapshot.jpg", "/stream.mjpg"):
        answers["GET", path] = [await ask(house.address, "GET", path, GUESS)]
    given = set()
    for (method, path), some in answers.items():
        for answer in some:
            validate(answer, document()["paths"][path][method.lower()])
            given.add((path, method, answer.status, answer.code))
    assert {(method, path, status, code) for path, method, status, code in given} == set(LAST)
    return given


async def test_no_other_method_does_anything(house: Household, mia: dict[str, str]) -> None:
    for path, methods in document()["paths"].items():
        for method in METHODS:
            if method.lower() in methods or (
                method == "HEAD" and "get" in methods and path not in WEBSOCKETS
            ):
                continue
            answer = await send(house, (method, path.format(path="style.css", name="drive"), {}, None), mia)
            assert answer.status == 405, (method, path)
            if method != "HEAD":
                assert answer.code == "method_not_allowed"
                validate(answer, next(iter(methods.values())))


async def test_it_is_served_to_everybody_as_it_is(house: Household) -> None:
    answer = await ask(house.address, "GET", "/api/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.json == document()


def test_every_route_is_described_and_no_other() -> None:
    hub = SimpleNamespace(calibration=None, config=Config())
    table = application(cast(Any, hub), cast(Any, None), ServerConfig(), *(cast(Any, None),) * 4, 0)
    rules = cast(Any, table.wildcard_router).rules
    routes = {
        path: [rule for rule in rules if rule.matcher.regex.match(path)] for path in document()["paths"]
    }
    assert {path: len(found) for path, found in routes.items()} == dict.fromkeys(routes, 1)
    assert [rule.matcher.regex.pattern for rule in rules if [rule] not in routes.values()] == []


def test_every_code_in_the_sources_is_described_and_no_other() -> None:
    files = sorted(WEB.rglob("*.py"))
    sources = "".join(file.read_text(encoding="utf-8") for file in files if file.parent.name != "bridges")
    raised = re.findall(r'(?:Refused|refusal)\(\s*HTTPStatus\.\w+,\s*"(\w+)"', sources)
    kinds = re.findall(r'HTTPStatus\.\w+: \("(\w+)"', sources)
    others = re.findall(r'"code": "(\w+)"', sources) + re.findall(r'unknown = \("(\w+)"', sources)
    in_the_sources = {*raised, *kinds, *others}
    assert {code for *_, code in documented()} - {""} == in_the_sources
    protocol = Path(WEB.parents[1], "docs", "protocol.md").read_text(encoding="utf-8")
    assert not [code for code in in_the_sources if f"`{code}`" not in protocol]


def test_every_code_of_a_foreign_protocol_is_in_its_document() -> None:
    files = sorted(WEB.glob("bridges/*.py"))
    sources = "".join(file.read_text(encoding="utf-8") for file in files)
    codes = re.findall(r'(?:Refused\(\s*HTTPStatus\.\w+,|refuse\(|_refusal\()\s*"(\w+)"', sources)
    clients = Path(WEB.parents[1], "docs", "clients.md").read_text(encoding="utf-8")
    assert not [code for code in codes if f"`{code}`" not in clients]
    assert bool(codes) == bool(files)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in document()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(document())):
        assert resolve({"$ref": reference})
    names = [operation["operationId"] for *_, operation in operations()]
    assert len(set(names)) == len(names)


def allowed(schema: str) -> jsonschema.Draft202012Validator:
    """Return the validator of a component."""
    components = document()["components"]
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": components}
    )


@pytest.mark.parametrize(("name", "kind"), [*((name, "l298n") for name in LAYOUTS), ("steer-servo", "esc")])
def test_the_calibration_and_the_speeds_of_each_layout_are_described(
    name: LayoutName, kind: KindName
) -> None:
    config = Config(board=BoardConfig(kind=kind), layout=LayoutConfig(name))
    values = Calibration.of(config).values
    allowed("Calibration").validate(values)
    for missing in values:
        assert not allowed("Calibration").is_valid({k: v for k, v in values.items() if k != missing})
    assert not allowed("Calibration").is_valid(values | {"roof_trim": 1.0})
    for value_name in PULSES.keys() & values:
        option = option_of(value_name)
        for value in (option.lo, option.hi):
            allowed("Calibration").validate(values | {value_name: int(value)})
        for value in (option.lo - 1, option.hi + 1):
            assert not allowed("Calibration").is_valid(values | {value_name: int(value)})
    speeds = dict.fromkeys(LAYOUTS[name].speeds, 0.5)
    allowed("Speeds").validate(speeds)
    assert not allowed("Speeds").is_valid({"left": 0.5, "steering": 0.5})
