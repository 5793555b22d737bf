"""The page, the WebSocket and the HTTP interface. Tornado lives here and nowhere else."""
