"""The arithmetic of `scripts/bench --spectators`, and what it says when it cannot measure."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Callable

import pytest

from tests.bench.__main__ import arguments
from tests.bench.measure import Spread
from tests.bench.server import ROOT
from tests.bench.spectators.crowd import Seen
from tests.bench.spectators.drive import pin_figures, spectator_figures
from tests.bench.spectators.load import Counter, allow_files
from tests.bench.spectators.report import checks, table
from tests.bench.spectators.run import NAMES, Round, kib_each

Figures = dict[str, dict[int, dict[str, float]]]


def frame(kind: int, payload: bytes) -> bytes:
    """A server's frame, unmasked."""
    size = len(payload)
    length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2)
    return bytes([0x80 | kind]) + length + payload


HELLO, PING = frame(1, b'{"type":"hello"}'), frame(9, b"hey")
SHORT, LONG = frame(1, b'{"type":"state"}'), frame(1, b'{"type":"state","x":"' + b"x" * 300 + b'"}')


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_states_are_counted_however_the_bytes_are_cut(size: int) -> None:
    data = HELLO + SHORT + PING + LONG + SHORT + LONG
    counter = Counter()
    for at in range(0, len(data), size):
        counter.feed(data[at : at + size])
    assert counter.states == 4
    assert counter.pings == [b"hey"]


def test_a_state_counts_when_all_of_it_is_there() -> None:
    counter = Counter()
    counter.feed(LONG[:-1])
    assert counter.states == 0
    counter.feed(LONG[-1:])
    assert counter.states == 1


def test_lost_is_what_was_refused_and_what_never_came_to_the_pins() -> None:
    figures = pin_figures([1.0, 2.0, 3.0, 4.0], [1.5, 2.25, 3.25, None], refused=1)
    assert figures == {"pin_p50_s": 0.25, "pin_p99_s": 0.5, "pin_max_s": 0.5, "lost": 2.0}


def test_a_run_without_one_command_on_the_pins_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="not one command"):
        pin_figures([1.0], [None], refused=0)


def test_a_spectator_that_got_nothing_is_the_slowest() -> None:
    assert spectator_figures(Seen(10.0, 1.0, [5, 5, 5]), Seen(12.0, 1.5, [5, 15, 13])) == {
        "spectator_min_hz": 0.0,
        "spectator_p50_hz": 4.0,
        "load_cpu": 0.25,
    }
    assert spectator_figures(Seen(10.0), Seen(12.0)) == {}


def test_memory_for_each_spectator_is_what_came_on_top() -> None:
    assert kib_each({0: {"rss_mib": 40.0}, 512: {"rss_mib": 48.0}}, 512) == 16.0


def good() -> Figures:
    """What keeps every bound, and each just so."""
    ours = {
        "pin_p50_s": 0.001,
        "pin_p99_s": 0.002,
        "pin_max_s": 0.01,
        "lost": 0.0,
        "state_hz": 19.0,
        "spectator_min_hz": 4.0,
        "spectator_p50_hz": 5.0,
        "cpu": 0.5,
        "load_cpu": 0.2,
        "rss_mib": 60.0,
        "kib_each": 24.0,
    }
    plain = ours | {"pin_p50_s": 0.0101, "pin_p99_s": 0.0201}
    return {name: {n: dict(plain if name == "broadcast" else ours) for n in (0, 100, 1000)} for name in NAMES}


def rounds(figures: Figures) -> list[Round]:
    return [Round(Spread(0.0, 0.0, 0.0), figures)]


def missed(figures: Figures) -> list[str]:
    return [check.what for check in checks(rounds(figures)) if not check.kept]


def test_every_bound_can_be_kept() -> None:
    assert len(checks(rounds(good()))) == 8
    assert not missed(good())


@pytest.mark.parametrize(
    ("count", "key", "value", "what"),
    [
        (100, "pin_p50_s", 0.00121, "100 spectators: p50 / without any"),
        (100, "pin_p99_s", 0.0101, "100 spectators: p99 / without any"),
        (1000, "pin_p50_s", 0.00102, "1,000 spectators: p50 / broadcast's"),
        (1000, "pin_p99_s", 0.00202, "1,000 spectators: p99 / broadcast's"),
        (1000, "lost", 1.0, "1,000 spectators: commands lost"),
        (1000, "state_hz", 18.9, "1,000 spectators: the driver's states"),
        (1000, "spectator_min_hz", 3.9, "1,000 spectators: the slowest spectator's"),
        (1000, "kib_each", 24.1, "1,000 spectators: memory for each"),
    ],
)
def test_every_bound_can_be_missed(count: int, key: str, value: float, what: str) -> None:
    figures = good()
    figures["picar"][count][key] = value
    assert missed(figures) == [what]
    assert f"MISSED  {what}" in table("here", rounds(figures))


def test_one_command_lost_in_one_round_is_lost() -> None:
    spoilt = good()
    spoilt["picar"][1000]["lost"] = 1.0
    many = [*rounds(good()), *rounds(spoilt), *rounds(good())]
    assert [check.what for check in checks(many) if not check.kept] == ["1,000 spectators: commands lost"]


def test_other_numbers_of_spectators_have_no_bound() -> None:
    figures = {name: {0: good()[name][0], 500: good()[name][1000]} for name in NAMES}
    assert checks(rounds(figures)) == []
    assert "no bound for these" in table("here", rounds(figures))


def test_numbers_of_spectators_are_taken_once_and_rising() -> None:
    assert arguments(["--spectators", "100,10,100"]).spectators == (10, 100)
    assert arguments(["--spectators"]).spectators == ()
    assert arguments([]).spectators is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--spectators", "0,10"], "no list of whole numbers from 1"),
        (["--spectators", "ten"], "no list of whole numbers from 1"),
        (["--spectators", "10", "--pins", "lgpio"], "take one at a time"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(
    given: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(given)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_more_files_than_this_user_may_open_are_refused_with_the_fix() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this user may open any number of files")
    with pytest.raises(RuntimeError, match=f"ulimit -Hn {hard + 1}"):
        allow_files(hard + 1)


async def load_says(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]) -> str:
    """Send two spectators to a server that is not one of WebSockets. Returns the output of their process before it fails."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.spectators.load", str(port), "2"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert complaint == b""
    return said.decode().strip()


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench needs Linux")
async def test_a_spectator_that_is_refused_says_with_what() -> None:
    def busy(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Full\r\n\r\n")
        writer.close()

    assert await load_says(busy) == "a spectator could not join: HTTP/1.1 503 Full"


@pytest.mark.skipif(sys.platform != "linux", reason="scripts/bench needs Linux")
async def test_a_spectator_that_is_hung_up_on_says_so() -> None:
    def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert await load_says(rude) == "a spectator could not join: the connection was closed"
