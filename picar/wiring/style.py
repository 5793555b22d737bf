"""The colours and the style sheets: the page may have no style of its own (its CSP), a file must."""

from __future__ import annotations

WIRES = {  # as drawn, and the colour of text on it
    "orange": ("#ef8a17", "#1a1204"), "yellow": ("#f2c511", "#1a1204"), "green": ("#24934a", "#ffffff"),
    "blue": ("#2673d1", "#ffffff"), "purple": ("#8e4ec6", "#ffffff"), "brown": ("#95592b", "#ffffff"),
    "red": ("#d8232f", "#ffffff"), "black": ("#14181d", "#ffffff"),
}  # fmt: skip

_LIGHT = "--paper:#ffffff;--ground:#e9eef4;--ink:#0e1c2a;--dim:#4b5b6b;--line:#c3ced9;--accent:#0f766e"
_DARK = "--paper:#131b25;--ground:#0a0e14;--ink:#e8eef5;--dim:#9dabba;--line:#33414f;--accent:#2dd4bf"
_DRAWING = """
.paper{fill:var(--paper)}
.casing{stroke:var(--paper)}
.ink{fill:var(--ink)}
.dim{fill:var(--dim)}
.dimline{stroke:var(--dim)}
svg.wiring text{font-family:system-ui,"Noto Sans CJK SC","PingFang SC",sans-serif}
"""
_PAGE = """
*{box-sizing:border-box}
body{margin:0;padding:12px max(12px,env(safe-area-inset-right)) 32px max(12px,env(safe-area-inset-left));
background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC",sans-serif}
header,main{max-width:1120px;margin:0 auto}
header{display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline}
h1{font-size:1.5rem;line-height:1.2;margin:0 auto 0 0}
h2{font-size:1.1rem;margin:1.2em 0 .4em}
nav{display:flex;gap:16px}
header p{flex-basis:100%;margin:0 0 12px;color:var(--dim)}
a{color:var(--accent);padding:8px 0}
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
td.name{white-space:nowrap}
ul{padding-left:1.2em;margin:.4em 0}
li{margin:.4em 0}
@media (min-width:900px){main{grid-template-columns:minmax(0,600px) minmax(0,1fr);align-items:start}}
@media print{body{background:#fff}figure,section{border:0}}
"""


def for_a_file() -> str:
    """Return the style sheet of a drawing that stands alone."""
    return (
        f"svg.wiring{{{_LIGHT};background:var(--paper)}}"
        f"@media (prefers-color-scheme:dark){{svg.wiring{{{_DARK}}}}}{_DRAWING}"
    )


def for_the_page() -> str:
    """Return the style sheet of the page."""
    dark = f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    return f":root{{color-scheme:light dark;{_LIGHT}}}\n{dark}\n{_DRAWING}{_PAGE}"
