"""QR codes of URLs. Imported only where a code is drawn: a service draws none, and `segno` is large."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import segno


def qr_code(text: str) -> Iterable[str]:
    """Yield the lines of a QR code in half blocks, light on dark like a terminal."""
    rows = _modules(text)
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        yield "".join(blocks[pair] for pair in zip(upper, lower, strict=True))


def qr_code_in_colours(text: str, columns: int) -> list[str]:
    """Return a QR code in spaces on white and black (ECMA-48 §8.3.117), for a terminal without half blocks.

    Two columns make a square. Phones read a drawing in letters only if it is blurred.

    Returns:
        The lines; empty if they would be wider than `columns`.
    """
    rows = _modules(text)
    if 2 * len(rows[0]) > columns:
        return []
    colour = {True: "\x1b[40m", False: "\x1b[47m"}
    runs = ((colour[dark] + "  " * len(list(run)) for dark, run in groupby(row)) for row in rows)
    return ["".join(run) + "\x1b[0m" for run in runs]


def _modules(text: str) -> list[list[bool]]:
    """Return whether each square of a QR code is dark, row by row, with a margin."""
    symbol = segno.make(text, error="l", micro=False)
    return [[bool(cell) for cell in row] for row in symbol.matrix_iter(border=2)]


def qr_image(text: str) -> str:
    """Return a QR code as an image in a data: URI, dark on light, for a page."""
    return str(segno.make(text, error="l", micro=False).svg_data_uri(scale=4, border=4, light="#fff"))
