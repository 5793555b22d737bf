"""The floors of the house: imports point downwards only, and each floor uses only the libraries that it may.

A new folder must be given a floor here before anything passes; a new file needs nothing.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICAR = ROOT / "picar"

# From the ground up, folders of picar. "" is the modules beside the folders; the two entry points are on the roof.
FLOORS = (
    {""},
    {"calibration", "network", "system", "wiring"},
    {"core"},
    {"access", "client", "journal", "recording", "sensors"},
    {"fleet", "motor"},
    {"camera", "garage"},
    {"car"},
    {"web"},
    {"commands", "doctor"},
)
ROOF = len(FLOORS) - 1
PURE = {"core", "wiring"}
WITH_EVENT_LOOP = {
    "system",
    "network",
    "motor",
    "fleet",
    "garage",
    "web",
    "commands",
}  # the motor process itself loads none: see below
# Beside `sensors`: in the program that drives and in the garage, not in the car.
WITH_THREADS = {"picar.client.sync", "picar.garage.store"}
CLIENTS_WITH_EVENT_LOOP = {
    "picar.client.aio",
    "picar.client.discovery",
    "picar.client.pictures",
} | WITH_THREADS
# A folder here may not import from these, although they are below it or beside it.
NEVER = {
    "wiring": {"calibration", "network", "system"},
    "access": {"client", "journal", "recording", "sensors"},
    "client": {"calibration", "network", "system", "wiring", "access", "journal", "recording", "sensors"},
    "sensors": {"access", "client", "journal", "recording"},
    "fleet": {"access", "calibration", "journal", "motor", "recording", "sensors", "system", "wiring"},
    "garage": {"calibration", "camera", "journal", "motor", "recording", "sensors", "wiring"},
    "recording": {"calibration", "network", "system", "wiring", "access", "client", "journal", "sensors"},
    "journal": {"access", "client", "sensors"},
    "camera": {
        "access",
        "calibration",
        "client",
        "core",
        "journal",
        "network",
        "recording",
        "sensors",
        "system",
        "wiring",
    },
    "car": {"system", "network", "wiring", "camera"},
}
NOT_IN_CORE = {
    "asyncio", "concurrent", "datetime", "fcntl", "io", "logging", "multiprocessing", "os", "pathlib", "random", "select",
    "selectors", "signal", "socket", "subprocess", "sys", "threading", "time", "tornado",
}  # fmt: skip
BRIDGES = "picar.web.bridges"
THIRD_PARTIES = {
    "tornado": ("picar.web.", "picar.client.connection"),
    "segno": ("picar.network.",),
    "aiomqtt": ("picar.fleet.",),
    "paho": ("picar.fleet.",),
    "zeroconf": ("picar.client.discovery",),  # if it is installed
}
CAMERA_LIBRARIES = {"PIL", "videodev2", "picamera2", "libcamera"}
GPIO_LIBRARIES = {"lgpio": "lgpio", "gpiozero": "gpiozero", "RPi": "rpigpio"}


@dataclass(frozen=True)
class Import:
    """One import of one module; `target` is as deep as it names modules."""

    module: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.module} line {self.line} imports {self.target}"


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {name_of(file): file for file in sorted(PICAR.rglob("*.py"))}


def folder_of(module: str) -> str:
    """Return the folder of picar that holds a module, empty for the modules beside the folders."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PICAR / parts[1]).is_dir() else ""


def height_of(module: str) -> int:
    if module == "picar.__main__":
        return ROOF
    return next(height for height, folders in enumerate(FLOORS) if folder_of(module) in folders)


@cache
def imports() -> list[Import]:
    """Return every import of every module, also those inside functions and for type checkers."""
    return [found for module, file in modules().items() for found in imports_of(module, file)]


def imports_of(module: str, file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(module, whole if whole in modules() else str(node.module), node.lineno)


def ours() -> list[Import]:
    """Return the imports of picar itself."""
    return [one for one in imports() if one.target.split(".")[0] == "picar"]


def test_the_folder_of_the_bridges_may_be_deleted_and_is_imported_by_name_only() -> None:
    found = [one for one in ours() if one.target.startswith(BRIDGES)]
    assert not [str(one) for one in found if not one.module.startswith(BRIDGES)]


def test_every_folder_has_one_floor() -> None:
    named = [folder for folders in FLOORS for folder in folders]
    assert sorted(named) == sorted({folder_of(module) for module in modules()})


def test_imports_point_downwards_only() -> None:
    upwards = [
        str(found)
        for found in ours()
        if height_of(found.module) < height_of(found.target)
        or folder_of(found.target) in NEVER.get(folder_of(found.module), set())
    ]
    assert not upwards


def test_no_two_folders_import_each_other() -> None:
    pairs = {(folder_of(found.module), folder_of(found.target)) for found in ours()}
    assert not [pair for pair in pairs if pair[0] < pair[1] and pair[::-1] in pairs and "" not in pair]


def test_what_is_imported_exists() -> None:
    assert not [str(found) for found in ours() if found.target not in modules()]


def test_no_module_imports_itself_in_the_end() -> None:
    below: dict[str, set[str]] = {module: set() for module in modules()}
    for found in ours():
        below[found.module].add(found.target)
    while leaves := [module for module, targets in below.items() if not targets]:
        for leaf in leaves:
            del below[leaf]
        for targets in below.values():
            targets.difference_update(leaves)
    assert not below, f"a circle: {below}"


def test_the_core_is_arithmetic_alone_and_so_are_the_drawings() -> None:
    found = [
        str(f) for f in imports() if folder_of(f.module) in PURE and f.target.split(".")[0] in NOT_IN_CORE
    ]
    assert not found


def test_the_core_reads_no_clock_and_opens_nothing() -> None:
    for module, file in modules().items():
        if folder_of(module) != "core":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in {"open", "print", "input", "__import__", "exec", "eval"}, (
                f"{module}: {called}()"
            )


def test_other_people_s_libraries_are_where_they_belong() -> None:
    for found in imports():
        library = found.target.split(".")[0]
        if library == "picar" or library in sys.stdlib_module_names:
            continue
        if library in GPIO_LIBRARIES:
            assert found.module == f"picar.motor.pins.{GPIO_LIBRARIES[library]}", str(found)
        elif library in CAMERA_LIBRARIES:
            allowed = "picar.recording.exports" if library == "PIL" else "picar.camera."
            assert found.module.startswith(("picar.camera.", allowed)), str(found)
        else:
            assert library in THIRD_PARTIES, str(found)
            assert found.module.startswith(THIRD_PARTIES[library]), str(found)


def test_there_is_one_thread_and_few_folders_use_the_event_loop() -> None:
    for found in imports():
        library = found.target.split(".")[0]
        assert library not in {"multiprocessing", "_thread"}, str(found)
        if library in {"concurrent", "threading"} and found.module not in WITH_THREADS:
            assert (library, folder_of(found.module)) == ("threading", "sensors"), str(found)
        if library == "asyncio" and found.module not in CLIENTS_WITH_EVENT_LOOP:
            assert folder_of(found.module) in WITH_EVENT_LOOP, str(found)


def test_concrete_pins_are_imported_by_name_only() -> None:
    concrete = {f"picar.motor.pins.{name}" for name in ("mock", "sim", *GPIO_LIBRARIES.values())}
    for found in ours():
        assert found.target not in concrete or found.module in concrete, str(found)


def loaded_by(*names: str) -> set[str]:
    """Return what a fresh Python has loaded after importing these, but for what it loads anyway."""

    def loaded(code: str) -> set[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
        output = subprocess.run(
            [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
            cwd=ROOT,
            env=env,
            check=True,
            capture_output=True,
            text=True,
        )
        assert not output.stderr
        assert output.stdout.count("\n") == 1  # and importing prints nothing
        return set(output.stdout.split())

    return loaded("\n".join(f"import {name}" for name in names)) - loaded("")


def test_the_motor_process_loads_neither_tornado_nor_asyncio_nor_logging() -> None:
    loaded = loaded_by("picar.motor.__main__", "picar.motor.pins.mock", "picar.motor.pins.sim")
    assert {"picar.motor.loop", "picar.core.drive"} <= loaded
    packages = {name.split(".")[0] for name in loaded}
    assert not packages & {
        "tornado",
        "asyncio",
        "logging",
        "argparse",
        "segno",
        "ssl",
        "socket",
        "email",
        "http",
        "dataclasses",
        "inspect",
        "pathlib",
        "shutil",
        "tempfile",
        "typing",
        "urllib",
    }
    ours = ("config", "options", "web", "car", "commands", "motor.channel")
    assert not {name for name in loaded if name.startswith(tuple(f"picar.{name}" for name in ours))}


def test_the_core_loads_neither_the_web_nor_a_motor() -> None:
    loaded = loaded_by(*(module for module in modules() if folder_of(module) == "core"))
    assert {folder_of(name) for name in loaded if name.startswith("picar")} <= {"", "calibration", "core"}
    assert not {name.split(".")[0] for name in loaded} & {
        "tornado",
        "asyncio",
        "logging",
        "socket",
        "threading",
    }


def test_the_servers_car_loads_no_tornado() -> None:
    loaded = loaded_by(*(module for module in modules() if folder_of(module) == "car"))
    assert "picar.car.hub" in loaded
    assert not {name for name in loaded if name.startswith(("tornado", "picar.web"))}


def test_the_camera_knows_the_simulated_car_and_the_server_knows_its_frames_and_its_handle() -> None:
    for found in ours():
        if folder_of(found.module) == "camera" and folder_of(found.target) == "motor":
            assert found.target == "picar.motor.simcar", str(found)
        if folder_of(found.module) == "web" and folder_of(found.target) == "camera":
            assert found.target in ("picar.camera.frames", "picar.camera.handle"), str(found)


def test_the_server_s_end_of_the_camera_loads_no_library_of_a_camera() -> None:
    loaded = loaded_by("picar.camera.handle", "picar.commands.camera", "picar.commands.serve")
    assert "picar.camera.process" in loaded
    assert not {name.split(".")[0] for name in loaded} & (CAMERA_LIBRARIES | {"numpy", "tornado", "asyncio"})
    assert not {name for name in loaded if name.startswith("picar.camera.sources.")}


def test_a_client_s_session_loads_the_protocol_and_no_loop() -> None:
    loaded = loaded_by("picar.client.session")
    assert "picar.core.protocol" in loaded
    assert {folder_of(name) for name in loaded if name.startswith("picar")} <= {
        "",
        "calibration",
        "core",
        "client",
    }
    assert not {name.split(".")[0] for name in loaded} & {
        "tornado",
        "asyncio",
        "socket",
        "threading",
        "logging",
    }


def test_the_command_line_loads_the_web_only_when_it_serves() -> None:
    loaded = loaded_by("picar.commands.serve", "picar.commands.pins_low")
    assert not {name for name in loaded if name.startswith(("picar.web", "picar.car", "tornado", "segno"))}


@pytest.mark.parametrize(("package", "listing"), [("picar.commands", "common"), ("picar.web.api", "")])
def test_a_list_of_features_has_every_file_beside_it(package: str, listing: str) -> None:
    source = modules()[package].read_text(encoding="utf-8")
    names = {name.rpartition(".")[2] for name in modules() if name.startswith(f"{package}.")} - {listing}
    assert not {name for name in names if not re.search(rf"\b{name.replace('_', '[_-]')}\b", source)}


@pytest.mark.parametrize("folder", ["camera", "client", "core", "ground", "motor"])
def test_without_the_web_the_tests_of_the_lower_floors_still_run(folder: str) -> None:
    for file in (ROOT / "tests" / folder).rglob("*.py"):
        for found in imports_of(f"tests.{folder}.{file.stem}", file):
            assert not found.target.startswith(("picar.web", "tornado", "tests.web", "tests.browser")), str(
                found
            )


def test_a_dataclass_is_a_frozen_value_or_a_slotted_thing() -> None:
    thing = "dataclass(slots=True, eq=False)"
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                decorators = [ast.unparse(each) for each in node.decorator_list]
                loose = [d for d in decorators if d.split("(")[0] == "dataclass" and d != thing]
                assert not loose, f"{module} line {node.lineno}: {loose}"
