"""Make the pictures of README and docs from the running product: a simulated car, and its page in Chromium."""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.pictures.album import FILM, FOLDER, PICTURES, SCHEMES, Picture
from tests.support import chromium
from tests.support.pi import FakePi
from tests.support.product import Product

FRAME_S = 0.14
FILMED = 0.55  # of the way: every pixel moves, and a film of the whole way would not fit
NEEDS = {"PIL": "Pillow", "playwright": "Playwright"}


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/pictures", description=__doc__, epilog="The pictures are WebP files in docs/pictures/."
    )
    names = [picture.name for picture in PICTURES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--scheme", choices=SCHEMES, help="only the light or the dark ones")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(names):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    return args


def missing() -> str:
    """Return what is missing, as one sentence; empty if nothing is."""
    for module, package in NEEDS.items():
        if importlib.util.find_spec(module) is None:
            return f"{package} is missing: .venv/bin/pip install -e '.[test,pictures]'"
    return "" if chromium.find() else chromium.ADVICE


async def make(picture: Picture, scheme: str, browser: Any) -> int:
    """Make one picture with a car of its own. Returns its size in bytes."""
    from tests.browser.phone import Phone
    from tests.pictures import encode
    from tests.pictures.scenes import CONFIGS, PATHS, SCENES, classroom

    width, height = picture.size
    look = {
        "viewport": {"width": width, "height": height},
        "device_scale_factor": picture.scale,
        "has_touch": picture.is_touched,
        "color_scheme": scheme,
        "locale": "en-GB",
    }
    if picture.name == "garage":
        return encode.still(await classroom(browser, look), picture.file(scheme), picture.most)
    with tempfile.TemporaryDirectory(prefix="picar-pictures-") as folder:
        healthy = FakePi(Path(folder)).program()  # else the bar would show how busy this machine is
        product = Product("sim", config=CONFIGS.get(picture.name, ""), program=healthy)
        async with product as car, await browser.new_context(**look) as context:
            page = await context.new_page()
            phone = Phone(page, context, await context.new_cdp_session(page))
            phone.listen()
            url = car.url + PATHS.get(picture.name, "")
            if picture.name in ("wiring", "pair"):
                await page.goto(url)
            else:
                await phone.open(url)
                await phone.seen("#picture:not([hidden])")
            if picture == FILM:
                return encode.film(await _film(phone), picture.file(scheme), picture.most)
            await SCENES[picture.name](phone)
            return encode.still(await page.screenshot(), picture.file(scheme), picture.most)


async def _film(phone: Any) -> list[tuple[float, bytes]]:
    """Drive by two thumbs. Returns the time of each frame in s, and its PNG."""
    from tests.pictures.driver import SHOW_FINGERS, begin, drive

    frames: list[tuple[float, bytes]] = []

    def keep(event: dict[str, Any]) -> None:
        asyncio.get_running_loop().create_task(
            phone.cdp.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})
        )
        at = event["metadata"]["timestamp"]
        if not frames or at - frames[-1][0] >= FRAME_S:
            frames.append((at, base64.b64decode(event["data"])))

    phone.cdp.on("Page.screencastFrame", keep)
    await phone.page.evaluate(SHOW_FINGERS)
    thumbs = await begin(phone)
    await phone.cdp.send("Page.startScreencast", {"format": "png"})
    await asyncio.sleep(0.5)
    await drive(phone, thumbs, FILMED)
    await thumbs.lift()
    await asyncio.sleep(1.0)
    await phone.cdp.send("Page.stopScreencast")
    slow = [
        state
        for state in phone.heard
        if state.get("state") == "failsafe" or state.get("video", {}).get("cap", 1) < 1
    ]
    assert not slow, "this machine is too busy: the film shows an old picture or a lost signal. Run it again."
    return frames


async def main(argv: list[str] | None = None) -> int:
    """Return 0, or 1 if something is missing."""
    args = arguments(argv)
    if sentence := missing():
        print(f"scripts/pictures: {sentence}", file=sys.stderr)
        return 1
    from playwright.async_api import async_playwright

    FOLDER.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        path = chromium.find()
        browser = await playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        for picture in PICTURES:
            for scheme in SCHEMES:
                if picture.name in (args.names or [picture.name]) and scheme in (args.scheme or scheme):
                    size = await make(picture, scheme, browser)
                    print(
                        f"{size / 1000:>7.1f} kB  {picture.file(scheme).relative_to(FOLDER.parents[1])}",
                        flush=True,
                    )
        await browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
