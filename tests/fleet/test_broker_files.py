"""`picar garage broker-files`: the files, cars that are added later, and files that were changed by hand."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from picar import configfile
from picar.errors import FileError, UsageError
from picar.fleet import broker
from picar.network import tls

CARS = ["a1b2c3d4", "b2c3d4e5"]
HOSTS = ["class.local", "192.168.4.1"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "picar", "garage", "broker-files", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "broker"
    broker.make(folder, CARS, HOSTS)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "broker")], check=True)
    return tmp_path / "broker"


def test_the_files_are_there_and_secrets_belong_to_their_owner_alone(made: Path) -> None:
    users = [*CARS, "garage", "homeassistant"]
    secret = {f"{user}.password" for user in users} | {"passwd", "tls/ca.pem", "tls/leaf.pem"}
    public = {"mosquitto.conf", "acl", "ca.crt", *(f"{car}.toml" for car in CARS)}
    assert contents(made).keys() == secret | public
    for name in secret:
        assert stat.S_IMODE((made / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert b"PRIVATE" not in (made / "ca.crt").read_bytes()


def test_each_user_has_a_password_of_its_own_and_its_hash(made: Path) -> None:
    lines = dict(line.split(":") for line in (made / "passwd").read_text().splitlines())
    assert list(lines) == [*CARS, "garage", "homeassistant"]
    passwords = [(made / f"{user}.password").read_text().strip() for user in lines]
    assert len(set(passwords)) == 4
    for password, line in zip(passwords, lines.values(), strict=True):
        assert len(password) == 24
        _, kind, rounds, salt, digest = line.split("$")
        assert kind == "7"
        made_again = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(rounds))
        assert base64.b64decode(digest) == made_again


def test_the_settings_are_as_specified(made: Path) -> None:
    lines = (made / "mosquitto.conf").read_text().splitlines()
    wanted = {
        "listener 8883", "tls_version tlsv1.2", "allow_anonymous false", "persistence true", "autosave_interval 60",
        "max_inflight_messages 0", "max_queued_messages 20000", "max_queued_bytes 16777216", "max_packet_size 8192",
        "set_tcp_nodelay true", "max_keepalive 60",
    }  # fmt: skip
    assert wanted <= set(lines)


def test_the_section_of_a_car_may_follow_its_configuration(made: Path, tmp_path: Path) -> None:
    text = (made / f"{CARS[0]}.toml").read_text()
    assert tomllib.loads(text).keys() == {"mqtt"}
    file = tmp_path / "picar.toml"
    file.write_text(f'[server]\nname = "toy"{text}')
    config = configfile.load(file, env={})
    assert config.server.name == "toy"
    assert config.mqtt.url == "mqtts://class.local:8883"
    assert (config.mqtt.password_file, config.mqtt.ca) == (broker.CAR_PASSWORD, broker.CAR_CA)


def test_the_certificate_has_the_names_of_the_broker(made: Path) -> None:
    leaf = tls.leaf(made / "tls")
    assert leaf is not None
    assert leaf.names == HOSTS


def test_a_car_is_added_and_nothing_of_the_others_changes(folder: Path) -> None:
    before = contents(folder)
    result = broker.make(folder, ["zz99zz99"], [])
    after = contents(folder)
    assert (result.new, result.changed) == (["zz99zz99"], [])
    assert result.url == "mqtts://class.local:8883"
    assert after.keys() - before.keys() == {"zz99zz99.toml", "zz99zz99.password"}
    assert {name for name, data in before.items() if after[name] != data} == {"passwd"}
    assert after["passwd"].startswith(before["passwd"])


def test_another_name_of_the_broker_makes_another_certificate_of_the_same_ca(folder: Path) -> None:
    before = contents(folder)
    result = broker.make(folder, ["zz99zz99"], ["Class.lan"])
    assert result.certificate.names == ["class.lan", *HOSTS]
    assert result.url == "mqtts://class.lan:8883"
    after = contents(folder)
    assert {name for name, data in before.items() if after[name] != data} == {"passwd", "tls/leaf.pem"}


def test_a_file_that_was_changed_by_hand_is_kept_and_named(folder: Path) -> None:
    (folder / "acl").write_text("user me\n")
    result = broker.make(folder, [], [])
    assert (result.changed, (folder / "acl").read_text()) == (["acl"], "user me\n")


def test_a_user_whose_password_is_gone_gets_another_one(folder: Path) -> None:
    before = (folder / "passwd").read_text().splitlines()
    (folder / f"{CARS[0]}.password").unlink()
    result = broker.make(folder, [CARS[0]], [])
    after = (folder / "passwd").read_text().splitlines()
    assert result.new == [CARS[0]]
    assert (after[0] != before[0], after[1:]) == (True, before[1:])


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mosquitto.conf").write_text("mine\n")
    with pytest.raises(FileError, match=r"holds other files\. Name a new folder\."):
        broker.make(tmp_path, CARS, HOSTS)
    assert contents(tmp_path) == {"mosquitto.conf": b"mine\n"}


@pytest.mark.parametrize(
    "car", ["", "A1B2C3D4", "a1b2c3d", "a1b2c3d45", "../a1b2c", "garage", "a1b2c3d4\n", "a1b2#c3+"]
)
def test_an_id_that_no_car_has_is_refused(tmp_path: Path, car: str) -> None:
    with pytest.raises(UsageError, match="is not the id of a car"):
        broker.make(tmp_path / "broker", [car], HOSTS)
    assert not (tmp_path / "broker").exists()


def test_a_public_name_of_the_broker_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = run(str(tmp_path / "broker"), "--host", "broker.example.com")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "a private address or a name in .local" in done.stderr
    assert not (tmp_path / "broker").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(str(tmp_path / "file" / "broker"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"picar: {tmp_path}/file/broker cannot be used: Not a directory.\n"


def test_without_openssl_the_command_names_it_and_works_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run(str(tmp_path / "broker"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "The command openssl is missing. Install it: sudo apt install openssl" in done.stderr
    monkeypatch.setenv("PATH", path)
    assert run(str(tmp_path / "broker")).returncode == 0


def test_a_file_of_passwords_that_is_not_text_is_named_and_kept(folder: Path) -> None:
    (folder / "passwd").write_bytes(b"\xff\n")
    done = run(str(folder), "--car", CARS[0])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr == f"picar: {folder}/passwd cannot be used: it is not UTF-8 text.\n"
    assert (folder / "passwd").read_bytes() == b"\xff\n"


def test_users_that_were_added_by_hand_are_kept(folder: Path) -> None:
    with (folder / "passwd").open("a") as file:
        file.write("north:$7$101$QUJD$QUJD\n")
    broker.make(folder, ["zz99zz99"], [])
    assert "north:$7$101$QUJD$QUJD\n" in (folder / "passwd").read_text()


def test_the_command_prints_the_next_steps_for_broker_and_car(folder: Path) -> None:
    done = run(str(folder), "--car", CARS[0], "--car", "zz99zz99")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  new          zz99zz99\n" in done.stdout
    assert f"  cd {folder}\n" in done.stdout
    assert "  sudo install -o picar -m 600 ID.password /etc/picar/mqtt-password\n" in done.stdout
    without = run(str(folder)).stdout
    assert f"garage broker-files {folder} --car ID" in without
    assert "/etc/picar" not in without
