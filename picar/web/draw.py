"""Draws QR codes and the wiring, as a program of its own: `python -m picar.web.draw`.

To load and to draw takes 0.2 s on a small Pi, which would delay the driver's commands. The server therefore runs this
program (`handler.drawn`). Its input is a JSON array of the kind and its values, its output the text.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def qr(link: str) -> str:
    """Return the QR code of a link, as a data: URI."""
    from picar.network.qr import qr_image

    return qr_image(link)


def wiring(sections: dict[str, dict[str, Any]]) -> str:
    """Return the style sheet, then for each language its code, the page and the drawing; all are separated by NUL.

    Args:
        sections: the options of the sections about the motors and the other parts, by section. Without a drawing of the board, its text is empty.
    """
    from picar.wiring.page import page, style
    from picar.wiring.plan import config_of, plan
    from picar.wiring.svg import drawing
    from picar.wiring.text import LANGUAGES, WORDS

    drawn = plan(config_of(sections))
    texts = [style()]
    for code in LANGUAGES:
        file = drawing(drawn, WORDS[code], alone=True) if drawn.has_drawing else ""
        texts += [code, page(drawn, code), file]
    return "\0".join(texts)


if __name__ == "__main__":
    kind, *values = json.load(sys.stdin)
    text = qr(*values) if kind == "qr" else wiring(*values)
    sys.stdout.buffer.write(text.encode())
