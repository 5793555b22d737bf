"""The page `/wiring`: the drawing, the table pin by pin, and what else to do. No script."""

from __future__ import annotations

from html import escape

from picar.wiring.notes import notes
from picar.wiring.plan import Plan
from picar.wiring.style import WIRES
from picar.wiring.svg import drawing
from picar.wiring.words import LANGUAGES, WORDS, Words

_COLUMNS = ("pin", "bcm", "board", "wire", "does")


def page(plan: Plan, language: str) -> str:
    """Return the HTML of the page.

    Args:
        plan: the car's wiring.
        language: a key of `LANGUAGES`.
    """
    words = WORDS[language]
    others = "".join(
        f' <a href="/wiring?lang={code}" lang="{WORDS[code]["lang"]}" hreflang="{WORDS[code]["lang"]}">{name}</a>'
        for code, name in LANGUAGES.items()
        if code != language
    )
    return f"""<!doctype html>
<html lang="{words["lang"]}">
<head>
<meta charset="utf-8">
<title>{escape(words["title"])}</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/wiring.css">
</head>
<body>
<header>
<h1>{escape(words["title"])}</h1>
<nav><a href="/">{escape(words["back"])}</a> <a href="/wiring.svg?lang={language}">{escape(words["file"])}</a>{others}</nav>
<p>{escape(words["lead"])}</p>
</header>
<main>
<figure>{drawing(plan, words)}</figure>
<section>
{_table(plan, words)}
<h2>{escape(words["also"])}</h2>
<ul>
{"".join(f"<li>{escape(sentence)}</li>" for sentence in notes(plan, words))}
</ul>
</section>
</main>
</body>
</html>
"""


def _table(plan: Plan, words: Words) -> str:
    head = "".join(f'<th scope="col">{escape(words[column])}</th>' for column in _COLUMNS)
    rows = [
        _row(w.pin.number, w.pin.name, w.terminal, w.colour, words[w.role].format(motor=words[w.side]), words)
        for w in plan.wires
    ]
    rows.append(_row(plan.ground.number, "GND", "GND", "black", words["common"], words))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(number: int, name: str, terminal: str, colour: str, does: str, words: Words) -> str:
    spot = (
        f'<svg viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="6" fill="{WIRES[colour][0]}" '
        'stroke="#8a97a5"/></svg>'
    )
    cells = [
        f"<td>{number}</td>",
        f'<td class="name">{escape(name)}</td>',
        f"<td>{terminal}</td>",
        f'<td class="name">{spot}{escape(words[colour])}</td>',
        f"<td>{escape(does)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>\n"
