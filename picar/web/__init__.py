"""The page, the WebSocket and the HTTP interface. In the server process, only this folder imports Tornado."""
