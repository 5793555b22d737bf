"""The page, the WebSocket and the HTTP interface. In the server process, only this folder imports Tornado."""

import sys

# Tornado loads curses for the colours of its log, which picar does not use: 0.5 MiB. None makes that import fail.
sys.modules.setdefault("curses", None)  # type: ignore[arg-type]
