"""The browser that pages are opened in, and a gamepad that is made up."""

from __future__ import annotations

import os
import shutil

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ADVICE = "no Chromium here: apt-get install chromium, or set PICAR_CHROMIUM to its path"
# `plug` is a report of a pad, the first one connects it; `unplug` takes the last pad away; `looks` counts the readings.
GAMEPAD = """
globalThis.pads = [];
globalThis.looks = 0;
navigator.getGamepads = () => {
  globalThis.looks += 1;
  return globalThis.pads;
};
globalThis.plug = (axes = [0, 0, 0, 0], pressed = {}, { index = 0, mapping = "standard", id = "Pad" } = {}) => {
  const buttons = Array.from({ length: 17 }, (_, n) => ({ value: pressed[n] ?? 0, pressed: n in pressed }));
  const isNew = !globalThis.pads[index];
  globalThis.pads[index] = { index, id, axes, buttons, connected: true, mapping, timestamp: performance.now() };
  if (isNew) dispatchEvent(Object.assign(new Event("gamepadconnected"), { gamepad: globalThis.pads[index] }));
};
globalThis.unplug = () => {
  const gamepad = globalThis.pads.pop();
  dispatchEvent(Object.assign(new Event("gamepaddisconnected"), { gamepad }));
};
"""


def find() -> str | None:
    """Return Chromium's path, or None if it is not installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("PICAR_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
