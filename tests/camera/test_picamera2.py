"""The Pi's own cameras, on a fake of picamera2.

Nothing here ran on a Pi. `PICAMERA2` compares the signatures of the fake with the real ones: the path of the unpacked wheel,
from `pip download --no-deps picamera2==0.3.38`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from picar.camera.sources import Trouble, auto, load, missing
from tests.camera.orders import order

FAKES = Path(__file__).parents[1] / "fakes" / "camera"
FAKED = ("picamera2", "libcamera", "picar.camera.sources.picamera2")
WHEEL = os.environ.get("PICAMERA2")
USED = {
    "picamera2.py": ("Picamera2", ["__init__", "create_video_configuration", "configure", "start_encoder", "stop_encoder", "start", "stop_recording", "close", "global_camera_info"]),
    "encoders/jpeg_encoder.py": ("JpegEncoder", ["__init__"]),
    "encoders/mjpeg_encoder.py": ("MJPEGEncoder", ["__init__"]),
    "outputs/fileoutput.py": ("FileOutput", ["__init__"]),
    "platform.py": ("Platform", []),
}  # fmt: skip


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Let this process import the fake; one camera is connected."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith(FAKED)]:
            del sys.modules[name]

    monkeypatch.syspath_prepend(FAKES)
    forget()
    library = importlib.import_module("picamera2")
    library.Picamera2.cameras = [library.PI_CAMERA, library.USB_CAMERA]
    yield library
    forget()


def on_a_pi_5() -> None:
    platform: Any = importlib.import_module("picamera2.platform")
    platform.current = platform.Platform.PISP


def opened(library: ModuleType) -> Any:
    camera = library.Picamera2.opened
    assert camera
    return camera


def test_the_newest_picture_counts(library: ModuleType) -> None:
    source = load("picamera2").open(order("picamera2"))
    before = time.monotonic_ns()
    for number in range(3):
        opened(library).show(b"picture %d" % number)
    picture = source.next()
    assert picture
    assert picture[::2] == (b"picture 2", 640)
    assert before <= picture.captured_ns <= time.monotonic_ns()
    assert (source.card, source.upright) == ("imx708", True)


def test_without_a_picture_it_gives_up_after_two_seconds(library: ModuleType) -> None:
    source = load("picamera2").open(order("picamera2"))
    began = time.monotonic()
    assert source.next() is None
    assert 1.9 < time.monotonic() - began < 10.0


def test_the_sensor_turns_and_mirrors(library: ModuleType) -> None:
    for rotation, mirror, flips in (
        (0, False, (False, False)),
        (180, False, (True, True)),
        (0, True, (True, False)),
        (180, True, (False, True)),
    ):
        load("picamera2").open(order("picamera2", rotation=rotation, mirror=mirror))
        transform = opened(library).configuration["transform"]
        assert (transform.hflip, transform.vflip) == flips


def test_older_models_compress_in_hardware(library: ModuleType) -> None:
    source = load("picamera2").open(order("picamera2"))
    camera = opened(library)
    assert camera.configuration["main"] == {"size": (640, 480), "format": "YUV420"}
    assert camera.configuration["controls"] == {"FrameRate": 30}
    assert camera.configuration["buffers"] == 3
    assert camera.encoders[0].bitrate == 38_400 * 8 * 30
    source.set({"size": (320, 240), "quality": 15})
    (encoder,) = camera.encoders
    assert (encoder.size, encoder.bitrate) == ((320, 240), 2_880 * 8 * 30)
    camera.show(b"small")
    assert source.next()[2:] == (320, 240)  # type: ignore[index]
    source.set({"size": (640, 480), "quality": 50})
    assert camera.encoders[0].size == (640, 480)


def test_a_pi_5_compresses_in_software_and_changes_quality_at_once(library: ModuleType) -> None:
    on_a_pi_5()
    source = load("picamera2").open(order("picamera2"))
    camera = opened(library)
    (encoder,) = camera.encoders
    assert (camera.configuration["main"]["format"], encoder.q) == ("RGB888", 50)
    source.set({"quality": 25})
    assert (camera.encoders, encoder.q) == ([encoder], 25)
    source.set({"size": (480, 360), "quality": 30})
    (other,) = camera.encoders
    assert (other.size, other.q) == ((320, 240), 30)


def test_an_order_that_changes_nothing_restarts_nothing(library: ModuleType) -> None:
    source = load("picamera2").open(order("picamera2"))
    (encoder,) = opened(library).encoders
    source.set({"pose": (0.0, 0.0, 0.0)})
    assert opened(library).encoders == [encoder]


def test_a_picture_of_the_size_before_is_forgotten(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = load("picamera2").open(order("picamera2"))
    opened(library).show(b"big")
    source.set({"size": (320, 240)})
    monkeypatch.setattr("picar.camera.sources.picamera2.PATIENCE_S", 0.01)
    assert source.next() is None


def test_a_wide_picture_has_a_wide_small_one(library: ModuleType) -> None:
    load("picamera2").open(order("picamera2", size=(1280, 720)))
    assert opened(library).configuration["lores"]["size"] == (320, 180)


def test_at_night_exposures_are_long(library: ModuleType) -> None:
    load("picamera2").open(order("picamera2", night=True))
    assert opened(library).configuration["controls"] == {"FrameDurationLimits": (33_333, 66_700)}


def test_it_closes_the_camera(library: ModuleType) -> None:
    load("picamera2").open(order("picamera2")).close()
    assert library.Picamera2.opened is None


def test_a_usb_camera_is_another_source_s(library: ModuleType) -> None:
    assert [(camera.device, camera.card) for camera in load("picamera2").cameras()] == [("0", "imx708")]
    with pytest.raises(Trouble) as trouble:
        load("picamera2").open(order("picamera2", device="1"))
    assert (trouble.value.code, str(trouble.value)) == ("missing", str(missing()))


def test_a_camera_that_another_program_has_is_a_fault(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library.Picamera2, "busy", True)
    with pytest.raises(Trouble, match="imx708 is in use by another program") as trouble:
        load("picamera2").open(order("picamera2"))
    assert trouble.value.code == "busy"


def test_another_error_is_not_called_busy(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.Picamera2, "broken", True)
    with pytest.raises(RuntimeError, match="did not complete") as error:
        load("picamera2").open(order("picamera2"))
    assert not isinstance(error.value, Trouble)


def test_auto_takes_the_pi_s_camera_first(library: ModuleType) -> None:
    assert auto.open(order("auto")).card == "imx708"
    assert auto.open(order("auto", device="0")).card == "imx708"


@pytest.mark.parametrize(
    ("on_a_pi", "there", "code", "words"),
    [
        (False, False, "missing", "No camera was found"),
        (True, False, "no_library", "--no-install-recommends python3-picamera2"),
        (True, True, "hidden_library", "venv --system-site-packages --upgrade"),
    ],
)
def test_auto_names_the_fault_that_matters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_a_pi: bool, there: bool, code: str, words: str
) -> None:
    monkeypatch.setattr(auto, "raspberry_pi_model", lambda: "Raspberry Pi 5" if on_a_pi else None)
    monkeypatch.setattr("picar.camera.sources.usb._TREE", tmp_path)
    monkeypatch.setattr("picar.camera.sources._OF_DEBIAN", tmp_path if there else tmp_path / "nothing")
    monkeypatch.setitem(sys.modules, "libcamera", None)
    with pytest.raises(Trouble, match=words) as trouble:
        auto.open(order("auto"))
    assert trouble.value.code == code


def test_a_library_that_does_not_load_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "libcamera.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Trouble, match=r"numpy\.dtype size changed") as trouble:
        load("picamera2")
    assert trouble.value.code == "no_library"


def test_the_sink_is_a_file_that_picamera2_accepts(library: ModuleType) -> None:
    load("picamera2").open(order("picamera2"))
    assert isinstance(opened(library).encoders[0].output._fileoutput, io.BufferedIOBase)


@pytest.mark.skipif(WHEEL is None, reason="PICAMERA2 names no unpacked wheel of picamera2")
@pytest.mark.parametrize("file", USED)
def test_the_fake_has_the_signatures_of_the_library(library: ModuleType, file: str) -> None:
    kind, methods = USED[file]
    tree = ast.parse((Path(WHEEL or "") / "picamera2" / file).read_text(encoding="utf-8"))
    (real,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind]
    package = (
        "picamera2" if file == "picamera2.py" else f"picamera2.{file.partition('/')[0].removesuffix('.py')}"
    )
    fake = getattr(importlib.import_module(package), kind)
    for method in methods:
        (found,) = [node for node in real.body if isinstance(node, ast.FunctionDef) and node.name == method]
        names = [argument.arg for argument in found.args.args]
        assert list(inspect.signature(getattr(fake, method)).parameters) == names, method
