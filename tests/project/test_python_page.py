"""Every program of docs/python.md runs against a simulated car, and ends without an error."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from picar.network.tls import ca_certificate
from tests.support.product import Product
from tests.support.secure import SecureHousehold
from tests.support.waiting import heed_ctrl_c

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SAID = {  # a part of the program -> a part of its output
    "estop": "stopped The car is stopped.",
    "battery": "battery: None %",
    "time.sleep": "(0.0, 0.0) {'left': 0.0, 'right': 0.0}",
    "drives=False": "None",
    "asyncio.run": "'left': 0.",
    "car.recording": "'bytes': ",
}


async def run(program: str, folder: Path, token: str = "") -> str:
    """Run a program in a folder, and return its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PICAR_TOKEN": token},
        preexec_fn=heed_ctrl_c,
    )
    try:
        said = (await asyncio.wait_for(process.communicate(), 60))[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said
    assert "The program ends" not in said, said
    return said


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program_of_the_page_runs(tmp_path: Path, program: str) -> None:
    if '"https:' in program:
        async with SecureHousehold() as house:
            certificate = ca_certificate(Path(house.folder_of_tls))
            assert certificate
            (tmp_path / "ca.crt").write_bytes(certificate)
            text = program.replace("https://blitz.local", house.secure_url)
            await run(text, tmp_path, house.token("a program"))
        return
    async with Product(pins="sim", config='[camera]\nsource = "sim"\n') as car:
        text = re.sub(r'"(localhost|blitz\.local:80)"', f'"127.0.0.1:{car.port}"', program)
        assert "find()" in text or text != program
        said = await run(text, tmp_path)
        for part, words in SAID.items():
            if part in program:
                assert words in said
        if "picture.jpg" in program:
            assert (tmp_path / "picture.jpg").read_bytes().startswith(b"\xff\xd8")
        await car.until_low()


def test_the_page_has_programs_of_each_kind() -> None:
    assert len(PROGRAMS) >= 10
    assert all(any(part in program for program in PROGRAMS) for part in SAID)


def test_each_code_of_the_client_is_on_the_page() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "picar" / "client").glob("*.py"))
    codes = set(re.findall(r'CarError\(\s*"(\w+)"', source)) | set(re.findall(r'[(,] "(no_answer)"', source))
    assert codes
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
