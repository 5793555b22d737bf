# ruff: noqa: RUF001 - Chinese has its own punctuation
"""The body of an error: JSON, or a small page for a browser that opens an address.

The page contains no script and no style: it links the style sheet of `/wiring`. If the car refuses the style
sheet too, the browser shows its default colours; the drawing has its colours inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from http import HTTPStatus

from tornado.escape import json_encode

_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)  # RFC 9110 §12.4.2
_CHINESE = {
    "wrong_host": "小车不接受这个主机名。请用 IP 地址打开，或把主机名写进 picar.toml 中 [server] 下的 allowed_hosts，再重新启动 picar。",
    "foreign_origin": "请求来自另一个网页。请直接打开小车自己的页面。",
    "https_only": "小车只通过 https 驾驶。地址和步骤见 /help/https。",
    "closed": "小车现在不提供 CA。请先在小车的主机上运行 sudo picar tls phone。",
    "not_found": "这个地址不存在。小车的页面在首页（/）。",
    "forbidden": "不允许读取这个地址的内容。",
    "method_not_allowed": "这个地址不支持这种请求方法。",
    "not_paired": "此设备尚未配对。请打开首页（/）并输入 PIN 码。",
    "not_websocket": "这个地址只用于 WebSocket。小车的页面在首页（/）。",
    "motor_silent": "电机进程没有应答。",
    "too_many": "连接过多，请稍后再试。",
    "head_too_big": "请求头超过 8 kB 或 100 行，多半是 Cookie 太多：同一主机名下的所有程序共用 Cookie，与端口无关。请在浏览器中删除这个地址的 Cookie，再打开页面。",
    "bad_request": "无法理解这个请求。",
    "not_saved": "配对未能保存，请稍后再试。",
    "error": "picar 无法处理这个请求，日志中有详细信息。",
}
_OTHERWISE = "无法打开这个地址。"
_TITLES: dict[int, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: ("Not paired", "尚未配对"),
    HTTPStatus.NOT_FOUND: ("Page not found", "找不到页面"),
}
_REFUSED = ("Request refused", "请求被拒绝")
_FAILED = ("The car cannot answer", "小车无法应答")
_CAR = """<svg viewBox="0 0 64 64" width="64" height="64" aria-hidden="true"><rect width="64" height="64" rx="14" fill="#0a0e14"/><path fill="#2dd4bf" d="M10 14h10v15H10zm34 0h10v15H44zM10 37h10v15H10zm34 0h10v15H44z"/><rect x="20" y="8" width="24" height="48" rx="9" fill="#e6edf5"/><path d="M25 24q7-6 14 0l-2 8H27z"/></svg>"""
_MOST_CHARACTERS = 1000  # read from a header; a browser sends about 150
_HELP = '<nav><a href="/help/https">https</a></nav>\n'
_LINKS = """<nav><a href="/">Drive · <span lang="zh-CN">驾驶</span></a>
<a href="/wiring">Wiring · <span lang="zh-CN">接线图</span></a></nav>
"""


def weights(header: str) -> dict[str, float]:
    """Return the weight of each item in an Accept or Accept-Encoding header, by its name in lower case.

    A weight that RFC 9110 does not allow counts as 0.
    """
    found = {}
    for item in header[:_MOST_CHARACTERS].lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        stated = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        found[name] = float(stated) if _WEIGHT.fullmatch(stated) else 0.0
    return found


def prefers_page(headers: Mapping[str, str]) -> bool:
    """Return whether these headers are of a browser that opens an address, not of a script or a program."""
    accepted = weights(headers.get("Accept", ""))
    page = accepted.get("text/html", 0.0)
    navigates = headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return navigates and page > 0.0 and page >= accepted.get("application/json", 0.0)


def error_body(headers: Mapping[str, str], status: int, code: str, sentence: str) -> tuple[str, bytes]:
    """Return the Content-Type and the body of an error, as these request headers prefer it."""
    if prefers_page(headers):
        return "text/html; charset=utf-8", error_page(status, code, sentence)
    body = json_encode({"error": {"code": code, "message": sentence}})
    return "application/json; charset=UTF-8", body.encode()


def error_page(status: int, code: str, sentence: str) -> bytes:
    """Return the page as UTF-8. The sentence may contain text from the request, so it is escaped."""
    title, chinese = _FAILED if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _TITLES.get(status, _REFUSED)
    # Under a host name that the car refuses, the links would be refused too.
    links = "" if status == HTTPStatus.MISDIRECTED_REQUEST else _HELP if code == "https_only" else _LINKS
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} · picar</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/wiring.css">
</head>
<body class="error">
<main><section>
{_CAR}
<h1>{title} <span lang="zh-CN">{chinese}</span></h1>
<p>{escape(sentence)}</p>
<p lang="zh-CN">{_CHINESE.get(code, _OTHERWISE)}</p>
{links}<p><code>{status} {escape(code)}</code></p>
</section></main>
</body>
</html>
""".encode()
