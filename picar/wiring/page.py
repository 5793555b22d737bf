"""The page `/wiring` and its style sheet: the drawing, the table pin by pin, and the notes. No script.

The Content-Security-Policy of the page allows no inline style, so the style sheet is a file of its own. The pages of
errors (`web/errorpage.py`) use it too.
"""

from __future__ import annotations

from html import escape

from picar.wiring.plan import Plan
from picar.wiring.shapes import DARK, DRAWING, LIGHT, WIRES, circle
from picar.wiring.svg import drawing
from picar.wiring.text import COLUMNS, LANGUAGES, WORDS, Words, ends_of, notes, rows

_STYLE = """
*{box-sizing:border-box}
body{margin:0;padding:12px max(12px,env(safe-area-inset-right)) 32px max(12px,env(safe-area-inset-left));
background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC",sans-serif}
header,main{max-width:1120px;margin:0 auto}
header{display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline}
h1{font-size:1.5rem;line-height:1.2;margin:0 auto 0 0}
h2{font-size:1.1rem;margin:1.2em 0 .4em}
nav{display:flex;flex-wrap:wrap;gap:8px}
header p{flex-basis:100%;margin:8px 0 12px;color:var(--dim)}
a{min-height:48px;padding:11px 16px;border:1px solid var(--line);border-radius:15px;background:var(--paper);
color:var(--ink);text-decoration:none}
a:first-child{border-color:var(--accent);background:var(--accent);color:var(--ground);font-weight:600}
a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
main{display:grid;gap:16px;grid-template-columns:minmax(0,1fr)}
figure,section{margin:0;background:var(--paper);border:1px solid var(--line);border-radius:16px;padding:8px}
section{padding:4px 12px 12px}
figure svg{display:block;width:100%;height:auto;max-width:600px;margin:0 auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:8px 4px;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600;font-size:.85rem}
td:first-child{font-weight:700;font-variant-numeric:tabular-nums}
td svg{width:14px;height:14px;margin-right:6px;vertical-align:-2px}
td{font-size:.9rem}
td.name,th:first-child{white-space:nowrap}
ul{padding-left:1.2em;margin:.4em 0}
li{margin:.4em 0}
.error main{min-height:calc(100vh - 44px);place-content:center;grid-template-columns:minmax(0,560px)}
.error section{padding:20px 24px;text-align:center;overflow-wrap:anywhere}
.error h1 span{display:block}
.error p{margin:8px 0}
.error nav{justify-content:center;margin:20px 0}
.error code{color:var(--dim)}
@media (min-width:900px){header+main{grid-template-columns:minmax(0,600px) minmax(0,1fr);align-items:start}}
@media print{body{background:#fff}figure,section{border:0}nav{display:none}}
"""


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
    sentences = [
        *notes(plan, words),
        *([words["pictures"]] if plan.has_drawing and len(plan.boards) > 1 else []),
    ]
    figure = f"<figure>{drawing(plan, words)}</figure>" if ends_of(plan, words) or plan.parts else ""
    file = f'<a href="/wiring.svg?lang={language}">{escape(words["file"])}</a>' if plan.has_drawing else ""
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
<nav><a href="/">{escape(words["back"])}</a> {file}{others}</nav>
<p>{escape(words["lead"])}</p>
</header>
<main>
{figure}
<section>
{f"<p>{escape(words['hat'])}</p>" if plan.hat else ""}
{_table(plan, words)}
<h2>{escape(words["also"])}</h2>
<ul>
{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}
</ul>
</section>
</main>
</body>
</html>
"""


def style() -> str:
    """Return the style sheet of the page."""
    dark = f"@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}"
    return f":root{{color-scheme:light dark;{LIGHT}}}\n{dark}\n{DRAWING}{_STYLE}"


def _table(plan: Plan, words: Words) -> str:
    head = "".join(f'<th scope="col">{escape(words[column])}</th>' for column in COLUMNS)
    lines = "".join(
        f'<tr><td>{number}</td><td class="name">{escape(name)}</td><td>{escape(terminal)}</td>'
        f'<td class="name">{f"{_spot(colour)}{escape(words[colour])}" if colour else ""}</td><td>{escape(purpose)}</td></tr>\n'
        for number, name, terminal, colour, purpose in rows(plan, words)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _spot(colour: str) -> str:
    spot = circle(7, 7, 6, fill=WIRES[colour][0], stroke="#8a97a5")
    return f'<svg viewBox="0 0 14 14" aria-hidden="true">{spot}</svg>'
