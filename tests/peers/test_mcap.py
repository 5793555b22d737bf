"""Recordings in other people's readers: PyPI mcap with mcap-protobuf-support, and npm @mcap/core. Skipped where they are not installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.peers.test_rosbridge import output_of
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

HERE = Path(__file__).parent
pytestmark = pytest.mark.peers
TOPICS = {"/picar/cmd", "/picar/wheels", "/picar/state", "/pose", "/log", "/camera"}


async def record(car: Product, *, killed: bool) -> Path:
    """Drive and record; the car repairs a killed recorder's file."""
    async with Client(car.url) as phone:
        await phone.take()
        await phone.ask("record", on=True)
        await phone.until(lambda s: s["recording"])
        phone.hold(0.4, 0.2)
        await phone.until(lambda s: s["recording"]["bytes"] > 300_000 and s["recording"]["s"] > 3)
        if killed:
            pid = car.recorder_pid()
            assert pid
            os.kill(pid, signal.SIGKILL)
            await phone.until(lambda s: s["recording"] == {"ended": "failed"})
        else:
            await phone.ask("record", on=False)
    folder = car.folder / "state" / "picar" / "recordings"
    (path,) = await until(lambda: list(folder.glob("*.mcap")), "a recording")
    return path


@pytest.mark.parametrize("killed", [False, True], ids=["whole", "repaired"])
async def test_the_python_reader_of_mcap_reads_and_decodes_everything(killed: bool) -> None:
    reader = pytest.importorskip("mcap.reader", reason="needs pip install -e .[peers]")
    protobuf = pytest.importorskip("mcap_protobuf.decoder", reason="needs pip install -e .[peers]")
    async with Product("sim", config='[camera]\nsource = "test"\nfps = 15\n') as car:
        path = await record(car, killed=killed)
        with path.open("rb") as file:
            found = reader.make_reader(
                file, validate_crcs=True, decoder_factories=[protobuf.DecoderFactory()]
            )
            summary = found.get_summary()
            counts: Counter[str] = Counter()
            for schema, channel, message in found.iter_messages():
                counts[channel.topic] += 1
                assert schema.encoding == ("protobuf" if channel.topic == "/camera" else "jsonschema")
                if channel.topic != "/camera":
                    json.loads(message.data)
            assert summary.statistics.message_count == counts.total()
            assert set(counts) >= TOPICS
            for decoded in found.iter_decoded_messages(topics=["/camera"]):
                picture = decoded.decoded_message
                assert (picture.format, picture.frame_id) == ("jpeg", "camera")
                assert picture.data.startswith(b"\xff\xd8")
                assert picture.timestamp.ToNanoseconds() == decoded.message.log_time
            (metadata,) = found.iter_metadata()
            assert metadata.name == "picar"
        with path.open("rb") as file:
            streamed = reader.NonSeekingReader(file, validate_crcs=True)
            assert sum(1 for _ in streamed.iter_messages()) == counts.total()


@pytest.mark.parametrize("killed", [False, True], ids=["whole", "repaired"])
async def test_the_javascript_reader_of_mcap_reads_everything(killed: bool) -> None:
    if not shutil.which("node") or not (HERE / "node_modules" / "@mcap").exists():
        pytest.skip("needs node, and: npm install --prefix tests/peers")
    async with Product("sim", config='[camera]\nsource = "test"\nfps = 15\n') as car:
        path = await record(car, killed=killed)
        found: dict[str, Any] = json.loads(await output_of("node", str(HERE / "mcap.mjs"), str(path)))
        assert set(found["counts"]) >= TOPICS
        assert found["stated"] == sum(found["counts"].values())
        assert found["bytes"] > 100_000
