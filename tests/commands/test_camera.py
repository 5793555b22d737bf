"""`picar camera`: the list of the cameras, and one picture."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from picar.camera.process import frames
from picar.camera.sources import Order, Trouble
from picar.commands.camera import _snapshot, cameras
from picar.config import Config, MotorsConfig
from picar.program import command
from tests.camera.orders import order
from tests.commands.test_cli import picar

TEST_CARD = {"PICAR_CAMERA__SOURCE": "test"}


def test_the_list_names_each_camera_and_each_reason() -> None:
    done = picar("camera", "--list")
    assert done.returncode == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["test", "test card"] in lines
    assert {line[0] for line in lines} >= {"sim", "test"}
    listed = json.loads(picar("camera", "--list", "--json").stdout)
    assert {"source": "test", "device": "", "card": "test card", "code": None, "message": None} in listed
    assert all(camera["card"] or camera["message"] for camera in listed)
    assert {camera["source"] for camera in listed} == {"usb", "picamera2", "sim", "test"}


def test_the_list_follows_the_configuration(tmp_path: Path) -> None:
    listed = picar("camera", "--list", env=TEST_CARD).stdout
    assert listed.split() == ["test", "test", "card"]
    file = tmp_path / "picar.toml"
    file.write_text('[camera]\nsource = "sim"\n')
    assert picar("camera", "--list", "--config", str(file)).stdout.split()[0] == "sim"
    refused = picar("camera", "--list", env={"PICAR_CAMERA__SOURCE": "foo"})
    assert (refused.returncode, '"foo" is not one of' in refused.stderr) == (2, True), refused.stderr


def test_a_source_without_a_camera_has_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("picar.commands.camera.frames", lambda *_: iter(()))
    assert [(camera["source"], camera["code"]) for camera in cameras()] == [
        ("usb", "missing"),
        ("picamera2", "missing"),
    ]
    assert all(f"then run: {command('camera --list')}" in camera["message"] for camera in cameras())


def test_a_simulated_camera_without_pillow_names_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picar.camera.handle.importlib.util.find_spec", lambda _name: None)
    settings = Config(motors=MotorsConfig(backend="sim"))
    with pytest.raises(Trouble, match="The picture needs Pillow") as trouble:
        _snapshot(tmp_path / "now.jpg", settings)
    assert trouble.value.code == "no_pillow"


@pytest.mark.parametrize("name", ["", "now.png", "now"])
def test_a_name_that_is_no_jpegs_is_refused(tmp_path: Path, name: str) -> None:
    done = picar("camera", "--snapshot", name and str(tmp_path / name), env=TEST_CARD)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name a file that ends in .jpg or .jpeg" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_snapshot_is_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "now.jpg"
    done = picar("camera", "--snapshot", str(file), env=TEST_CARD)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"test card: the picture is in {file}.\n", "")
    with Image.open(file) as picture:
        assert picture.size == (640, 480)


@pytest.mark.parametrize(("rotation", "mirror"), [(0, True), (180, False), (180, True)])
def test_a_snapshot_is_turned_as_configured(tmp_path: Path, rotation: int, mirror: bool) -> None:
    file = tmp_path / "now.jpg"
    env = TEST_CARD | {"PICAR_CAMERA__ROTATION": str(rotation), "PICAR_CAMERA__MIRROR": str(mirror).lower()}
    assert picar("camera", "--snapshot", str(file), env=env).returncode == 0
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(file.read_bytes()))).convert("L")
    white, black = (5, 200), (634, 200)  # in the card as it is made
    for made, brightest in ((white, True), (black, False)):
        x = made[0] if (rotation == 180) == mirror else 639 - made[0]
        y = 479 - made[1] if rotation == 180 else made[1]
        level = turned.getpixel((x, y))
        assert isinstance(level, int)
        assert (level > 200) == brightest


@pytest.mark.parametrize(
    ("env", "code", "words"),
    [
        ({"PICAR_CAMERA__SOURCE": "off"}, 2, "The camera is switched off"),
        (
            {"PICAR_CAMERA__SOURCE": "usb", "PICAR_CAMERA__DEVICE": "/dev/video77"},
            1,
            "No camera was found. Plug it in",
        ),
        ({"PICAR_CAMERA__SIZE": "1x1"}, 2, "is not one of"),
        ({"PICAR_CAMERA__ROTATION": "90"}, 2, "90 is not one of 0, 180"),
    ],
)
def test_without_a_picture_the_reason_is_a_sentence(
    tmp_path: Path, env: dict[str, str], code: int, words: str
) -> None:
    done = picar("camera", "--snapshot", str(tmp_path / "now.jpg"), env=env)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_a_sentence() -> None:
    done = picar("camera", "--snapshot", "/nowhere/now.jpg", env=TEST_CARD)
    assert done.returncode == 1
    assert "/nowhere/now.jpg cannot be written (No such file or directory). Name another file." in done.stderr


def test_one_of_list_and_snapshot_is_needed() -> None:
    assert picar("camera").returncode == 2
    assert "usage: picar camera" in picar("camera").stderr


def test_a_process_that_crashes_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = [sys.executable, "-c", "import os; os.abort()"]
    monkeypatch.setattr("picar.camera.process.python", lambda _module: crash)
    with pytest.raises(Trouble, match=r"ended \(signal 6\)"):
        list(frames(Order(cameras=True), 20.0))


def test_a_process_without_an_answer_is_given_up() -> None:
    assert len(list(frames(order("test", fps=5), 1.0))) < 10


def test_the_orientation_is_in_the_picture_and_the_rest_is_as_it_was() -> None:
    from picar.camera.frames import oriented

    made = io.BytesIO()
    Image.new("RGB", (16, 16)).save(made, "JPEG")
    assert oriented(made.getvalue(), rotation=0, mirror=False) == made.getvalue()
    turned = oriented(made.getvalue(), rotation=180, mirror=False)
    assert len(turned) == len(made.getvalue()) + 36
    assert Image.open(io.BytesIO(turned)).getexif() == {0x112: 3}
