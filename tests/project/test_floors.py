"""The floors of the house: imports point downwards only, and each floor knows only what it may.

A new module must be given a floor here before anything passes.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICAR = ROOT / "picar"

# From the ground up. A name is a module, or a folder with everything in it.
FLOORS = {
    "ground": {
        "picar",
        "picar.config",
        "picar.header",
        "picar.options",
        "picar.calibration",
        "picar.errors",
        "picar.program",
        "picar.stderr",
        "picar.linewriter",
        "picar.log",
        "picar.files",
    },
    "drawings": {"picar.wiring/"},
    "core": {"picar.core/"},
    "hardware": {
        "picar.motor",
        "picar.motor.l298n",
        "picar.motor.pins/",
        "picar.motor.simcar",
        "picar.motor.emergency",
    },
    "processes": {
        "picar.motor.process",
        "picar.motor.channel",
        "picar.motor.frames",
        "picar.motor.order",
        "picar.host",
        "picar.service",
        "picar.flight",
        "picar.overlay",
        "picar.access/",
    },
    "web": {"picar.web/"},
    "roof": {
        "picar.__main__",
        "picar.cli",
        "picar.doctor/",
        "picar.pair",
        "picar.wiring_command",
        "picar.motor.__main__",
    },
}
HEIGHTS = {floor: height for height, floor in enumerate(FLOORS)}
NOT_IN_CORE = {
    "asyncio", "concurrent", "datetime", "fcntl", "io", "logging", "multiprocessing", "os", "pathlib", "random", "select",
    "selectors", "signal", "socket", "subprocess", "sys", "threading", "time", "tornado",
}  # fmt: skip
THIRD_PARTIES = {"tornado": "picar.web.", "segno": "picar.web.addresses"}
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


def floor_of(module: str) -> str | None:
    for floor, names in FLOORS.items():
        for name in names:
            if module == name.rstrip("/") or (name.endswith("/") and module.startswith(name[:-1] + ".")):
                return floor
    return None


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
    return [found for found in imports() if found.target.split(".")[0] == "picar"]


def test_every_module_has_one_floor() -> None:
    homeless = [module for module in modules() if floor_of(module) is None]
    assert not homeless, f"give these a floor in {Path(__file__).name}: {homeless}"
    for module in modules():
        owners = [
            floor
            for floor, names in FLOORS.items()
            if module in names
            or any(n.endswith("/") and f"{module}.".startswith(n[:-1] + ".") for n in names)
        ]
        assert len(owners) == 1, f"{module} is on {owners}"


def test_every_name_in_the_table_exists() -> None:
    for names in FLOORS.values():
        for name in names:
            assert name.rstrip("/") in modules(), f"{name} is no more"


def test_imports_point_downwards_only() -> None:
    upwards = [
        f"{found}: from {floor_of(found.module)} up to {floor_of(found.target)}"
        for found in ours()
        if HEIGHTS[str(floor_of(found.module))] < HEIGHTS[str(floor_of(found.target))]
    ]
    assert not upwards


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


def test_the_ground_knows_nothing_of_the_floors_above() -> None:
    ground = {module for module in modules() if floor_of(module) == "ground"}
    assert {found.target for found in ours() if found.module in ground} <= ground


def test_the_core_is_arithmetic_alone_and_so_are_the_drawings() -> None:
    pure = ("core", "drawings")
    found = [
        str(f) for f in imports() if floor_of(f.module) in pure and f.target.split(".")[0] in NOT_IN_CORE
    ]
    assert not found


def test_the_core_reads_no_clock_and_opens_nothing() -> None:
    for module, file in modules().items():
        if floor_of(module) != "core":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in {"open", "print", "input", "__import__", "exec", "eval"}, (
                f"{module}: {called}()"
            )


def test_tornado_lives_in_the_web_and_nowhere_else() -> None:
    found = [str(f) for f in imports() if f.target.split(".")[0] == "tornado" and floor_of(f.module) != "web"]
    assert not found


def test_other_people_s_libraries_are_where_they_belong() -> None:
    for found in imports():
        library = found.target.split(".")[0]
        if library == "picar" or library in sys.stdlib_module_names:
            continue
        if library in GPIO_LIBRARIES:
            assert found.module == f"picar.motor.pins.{GPIO_LIBRARIES[library]}", str(found)
        else:
            assert library in THIRD_PARTIES, str(found)
            assert found.module.startswith(THIRD_PARTIES[library]), str(found)


def test_there_is_one_thread_and_no_event_loop_below_the_web() -> None:
    for found in imports():
        library = found.target.split(".")[0]
        assert library not in {"concurrent", "multiprocessing", "_thread"}, str(found)
        assert library != "threading" or found.module == "picar.web.hostwatch", str(found)
        if library == "asyncio":
            assert floor_of(found.module) in {"web", "roof"}, str(found)
            assert found.module != "picar.motor.__main__"


def test_concrete_pins_are_named_by_the_roof_and_by_each_other_only() -> None:
    concrete = {f"picar.motor.pins.{name}" for name in ("mock", "sim", *GPIO_LIBRARIES.values())}
    for found in ours():
        if found.target in concrete:
            assert floor_of(found.module) == "roof" or found.module in concrete, str(found)


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
    assert {"picar.motor.process", "picar.core.drive"} <= loaded
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
    }
    assert not {name for name in loaded if name.startswith(("picar.web", "picar.cli", "picar.motor.channel"))}


def test_the_core_loads_neither_the_web_nor_a_motor() -> None:
    loaded = loaded_by(*(module for module in modules() if floor_of(module) == "core"))
    assert not {n for n in loaded if n.startswith(("picar.web", "picar.motor", "picar.service", "picar.cli"))}
    assert not {name.split(".")[0] for name in loaded} & {
        "tornado",
        "asyncio",
        "logging",
        "socket",
        "threading",
    }


def test_the_command_line_loads_the_web_only_when_it_serves() -> None:
    loaded = loaded_by("picar.cli", "picar.motor.emergency", "picar.motor.pins.trace")
    assert not {name for name in loaded if name.startswith(("picar.web", "tornado", "segno"))}


@pytest.mark.parametrize("folder", ["core", "ground", "motor"])
def test_without_the_web_the_tests_of_the_lower_floors_still_run(folder: str) -> None:
    for file in (ROOT / "tests" / folder).rglob("*.py"):
        for found in imports_of(f"tests.{folder}.{file.stem}", file):
            assert not found.target.startswith(("picar.web", "tornado", "tests.web", "tests.browser")), str(
                found
            )


def test_values_are_frozen_and_slotted() -> None:
    value, thing = "dataclass(frozen=True, slots=True)", "dataclass(slots=True, eq=False)"
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                decorators = [ast.unparse(each) for each in node.decorator_list]
                loose = [d for d in decorators if "dataclass" in d and d not in (value, thing)]
                assert not loose, f"{module} line {node.lineno}: {loose}"
