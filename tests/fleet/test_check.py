"""`picar mqtt --check` and the errors of the way to the broker: each has its code and its fix."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from picar.config import MqttConfig
from picar.errors import FleetError, UsageError
from picar.fleet import connection
from picar.fleet.connection import Client, Member, broker_of, connect, publish
from picar.fleet.topics import Message
from tests.fleet.brokers import site
from tests.support.household import Household
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.slow

DOCS, URL = Path(__file__).parents[2] / "docs/mqtt.md", "mqtts://class.local:8883"
MEMBER = Member("car", "k3f9a2b7", "test")
RULES = """
pattern readwrite picar/%u/online
pattern write picar/%u/result
pattern read picar/%u/cmd/+
pattern read picar/all/cmd/+
pattern read picar/all/lesson
pattern write homeassistant/device/picar_%u/config
"""


async def code_of(**options: Any) -> str:
    """Return the code with which a connection fails, "" if it does not."""
    try:
        client = await connect(MqttConfig(**options), MEMBER, lambda *_: None)
    except FleetError as error:
        return error.code if ". " in str(error) else f"{error} has no fix"
    await client.__aexit__(None, None, None)
    return ""


async def add_user(file: Path, name: str, password: str) -> None:
    program = await asyncio.create_subprocess_exec(
        *("mosquitto_passwd", "-b", "-c", file, name, password),
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin"},
    )
    assert await program.wait() == 0


@pytest.mark.parametrize(
    "url",
    [
        *("", "broker.lan", "http://broker.lan", "mqtt://", "mqtt://a:99999", "mqtt://a/b"),
        *("mqtts://a..b", f"mqtts://{'a' * 64}.lan", "mqtts://.lan"),
    ],
)
def test_an_address_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="mqtts://"):
        broker_of(MqttConfig(url=url))


@pytest.mark.parametrize(
    "url", ["mqtt://ada:secret@broker.lan", "mqtt://ada:x@secret@10.0.0.7:1883", "ada:secret@a"]
)
def test_a_password_in_the_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match="password_file") as found:
        broker_of(MqttConfig(url=url))
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    "base", ["", "picar/#", "+", "/picar", "picar/", "a//b", "$SYS", "a b", "a\0", "a\n"]
)
def test_a_base_that_no_topic_can_begin_with_is_a_usage_error(base: str) -> None:
    with pytest.raises(UsageError, match="base"):
        broker_of(MqttConfig(url="mqtt://10.0.0.7", base=base))


async def test_a_message_that_cannot_be_handled_is_logged_and_the_next_one_arrives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrived = asyncio.Event()

    def receive(topic: str, payload: bytes, _: bool) -> None:
        if payload == b"bad":
            raise OverflowError("a fault of ours")
        arrived.set()

    async with Mosquitto(tmp_path) as broker:
        config = MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}")
        client = await connect(config, MEMBER, receive)
        await client.subscribe("a/#", qos=1)
        await publish(client, Message("a/b", "bad"))
        await publish(client, Message("a/b", "good"))
        async with asyncio.timeout(20):
            await arrived.wait()
        await client.__aexit__(None, None, None)
    assert "a message in a/b was not understood" in caplog.text


def test_addresses_and_their_ports() -> None:
    assert broker_of(MqttConfig(url="mqtt://broker.lan"))[:2] == ("broker.lan", 1883)
    assert broker_of(MqttConfig(url="mqtts://[fd00::7]/"))[:2] == ("fd00::7", 8883)
    assert broker_of(MqttConfig(url="mqtt://10.0.0.7:1884"))[:2] == ("10.0.0.7", 1884)


async def test_without_encryption_a_public_address_is_refused_unless_that_is_wanted() -> None:
    public = "mqtt://192.0.2.1:1"  # RFC 5737: no machine has it
    assert await code_of(url=public) == "broker_tls"
    assert await code_of(url=f"mqtt://127.0.0.1:{free_port()}", insecure=True) == "broker_unreachable"


async def test_a_broker_that_is_not_there_or_whose_name_is_unknown_is_unreachable() -> None:
    assert await code_of(url=f"mqtt://127.0.0.1:{free_port()}") == "broker_unreachable"
    assert await code_of(url="mqtt://no-such-broker.invalid") == "broker_unreachable"


async def test_a_server_that_closes_each_connection_is_unreachable_and_the_sentence_says_why() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    config = MqttConfig(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(FleetError, match=r": it closes the connection\. Start the broker"):
        await connect(config, MEMBER, lambda *_: None)
    server.close()


async def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    passwords, own = tmp_path / "passwd", tmp_path / "password"
    await add_user(passwords, "k3f9a2b7", "right")
    settings = f"allow_anonymous false\npassword_file {passwords}\n"
    async with Mosquitto(tmp_path, settings) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        own.write_text("wrong\n")
        assert await code_of(url=url, password_file=str(own)) == "broker_refused"
        assert await code_of(url=url) == "broker_refused"
        own.write_text("right\n")
        assert await code_of(url=url, password_file=str(own)) == ""
        assert await code_of(url=url, password_file=str(tmp_path / "missing")) == "broker_refused"


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves the socket to Python
async def test_a_broker_without_encryption_or_a_missing_ca_is_an_error_of_tls(tmp_path: Path) -> None:
    async with Mosquitto(tmp_path) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        assert await code_of(url=url) in ("broker_tls", "broker_unreachable")  # some brokers only close
        assert await code_of(url=url, ca=str(tmp_path / "missing.pem")) == "broker_tls"


async def test_a_broker_at_the_second_address_of_its_name_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = socket.getaddrinfo
    addresses = ("127.0.0.9", "127.0.0.1")
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, *rest, **more: [one for ip in addresses for one in find(ip, *rest, **more)],
    )
    async with Mosquitto(tmp_path) as broker:
        assert await code_of(url=f"mqtt://broker.lan:{broker.port}") == ""


async def test_a_confirmation_behind_many_messages_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was given up would lose them, and one may be a stop."""
    monkeypatch.setattr(connection, "WRITE_S", 0.5)
    arrived = list[str]()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(bytes((0x20, 3, 0, 0, 0)))  # CONNACK: no session, success, no properties
        await reader.read(4096)
        for _ in range(20):
            writer.write(bytes((0x30, 4, 0, 1)) + b"a\0")  # PUBLISH: topic a, no properties, no payload
            await asyncio.sleep(0.1)
        writer.write(bytes((0x40, 2, 0, 1)))  # PUBACK of the first message
        await reader.read(4096)
        writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        config = MqttConfig(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        client = await connect(config, MEMBER, lambda topic, *_: arrived.append(topic))
        await publish(client, Message("b", "x"))
        assert arrived == ["a"] * 20
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def test_an_end_at_any_moment_of_the_connection_leaves_no_traceback_in_the_log() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def admit_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        asked.set()
        await may_answer.wait()
        writer.write(bytes((0x20, 3, 0, 0, 0)))  # CONNACK: no session, success, no properties
        writer.close()

    server = await asyncio.start_server(admit_and_close, "127.0.0.1", 0)
    config = MqttConfig(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    connecting = asyncio.create_task(connect(config, MEMBER, lambda *_: None))
    await asked.wait()
    connecting.cancel()  # as by a signal, while the broker is silent
    await asyncio.wait([connecting])
    may_answer.set()
    for _ in range(5):
        with contextlib.suppress(FleetError, aiomqtt.MqttError):
            client = await connect(config, MEMBER, lambda *_: None)
            await client.subscribe("a", timeout=0.5)
    server.close()
    gc.collect()
    await asyncio.sleep(0)
    assert not complaints


async def test_a_socket_that_takes_nothing_is_given_up_after_10_s() -> None:
    """A broker that admits the client and then reads nothing more."""
    over, closed = asyncio.Event(), asyncio.Event()

    async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(bytes((0x20, 3, 0, 0, 0)))  # CONNACK: no session, success, no properties
        await over.wait()
        writer.transport.abort()
        closed.set()

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(admit, sock=listening, limit=1024)
    config = MqttConfig(url=f"mqtt://127.0.0.1:{listening.getsockname()[1]}")
    client = await connect(config, MEMBER, lambda *_: None)
    began = time.monotonic()
    with pytest.raises(Exception, match=r"timed out|publish") as found:
        await _flood(client)
    assert "MqttError" in [kind.__name__ for kind in type(found.value).__mro__]
    assert 4.0 < time.monotonic() - began < DEADLINE_S
    over.set()
    await closed.wait()
    server.close()


async def _flood(client: Client) -> None:
    while True:
        await publish(client, Message("picar/k3f9a2b7/state", 60_000 * "x", qos=0))


async def test_a_check_says_what_works_and_finds_open_rules(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        found = await here.check()
        assert (found.code, found.err) == (1, "")
        assert "(broker_acl)" in found.out.splitlines()[-1], "this broker lets everyone do everything"
        assert [line.split()[0] for line in found.out.splitlines()] == ["The"] * 4 + ["This"]


async def test_a_check_passes_with_the_right_rules_and_finds_a_command_left_behind(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text(RULES)
    passwords, own = tmp_path / "passwd", tmp_path / "password"
    own.write_text("secret\n")
    async with Household() as car:
        user = str(car.content()["car"])
        await add_user(passwords, user, "secret")
        settings = f"allow_anonymous false\npassword_file {passwords}\nacl_file {tmp_path}/acl\n"
        async with Mosquitto(tmp_path, settings) as broker:
            mqtt = f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\npassword_file = "{own}"\n'
            await car.terminate()
            car._config.write_text(car._config.read_text() + mqtt)
            await car.start()
            found = await car.cli("mqtt", "--check", "--config", str(car._config))
            assert (found.code, found.err) == (0, ""), found
            assert found.out.splitlines()[-1] == "The car may not send commands to other cars."
            shown = found.out.replace(user, "a1b2c3d4").replace(f"mqtt://127.0.0.1:{broker.port}", URL)
            assert f"```text\n{shown}```" in DOCS.read_text(encoding="utf-8")
            config = MqttConfig(url=f"mqtt://127.0.0.1:{broker.port}", password_file=str(own))
            (tmp_path / "acl").write_text(f"{RULES}pattern write picar/%u/cmd/stop\n")
            await broker.kill()
            await broker.start()
            client = await connect(config, Member("car", user, "left"), lambda *_: None)
            await publish(client, Message(f"picar/{user}/cmd/stop", "{}", retain=True))
            await client.__aexit__(None, None, None)
            found = await car.cli("mqtt", "--check", "--config", str(car._config))
            assert found.code == 1
            assert f"mosquitto_pub -r -n -t picar/{user}/cmd/stop" in found.out.splitlines()[-1]
            (tmp_path / "acl").write_text("user nobody\ntopic readwrite #\n")
            await broker.kill()
            await broker.start()
            found = await car.cli("mqtt", "--check", "--config", str(car._config))
            assert (found.code, found.out.splitlines()[-1][-12:]) == (1, "(broker_acl)")


async def test_without_a_car_a_broker_or_an_address_one_sentence_says_so(tmp_path: Path) -> None:
    config = tmp_path / "picar.toml"
    async with Household() as car:
        config.write_text("")
        found = await car.cli("mqtt", "--check", "--config", str(config))
        assert (found.code, found.out) == (2, "")
        assert "[mqtt] url is empty" in found.err
        config.write_text('[mqtt]\nurl = "mqtt://127.0.0.1:1"\n')
        found = await car.cli("mqtt", "--check", "--config", str(config))
        assert found.code == 1
        assert "no token for the bridge" in found.out, "the server was started without [mqtt] url"
        await car.terminate()
        found = await car.cli("mqtt", "--check", "--config", str(config))
        assert found.code == 1
        assert "No running picar" in found.out


def test_without_the_package_the_command_names_the_requirement(tmp_path: Path) -> None:
    (tmp_path / "picar.toml").write_text('[mqtt]\nurl = "mqtt://127.0.0.1"\n')
    hide = "import sys; sys.modules['aiomqtt'] = None; from picar.commands import run; sys.exit(run())"
    done = subprocess.run(
        [sys.executable, "-c", hide, "mqtt", "--config", str(tmp_path / "picar.toml")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 2
    assert "(no_aiomqtt)" in done.stderr
    assert "pip install 'aiomqtt>=2.5,<3'" in done.stderr
