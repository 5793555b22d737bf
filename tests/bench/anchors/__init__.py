"""Plain servers to measure against. Each prints its URL, as `picar serve` does, and serves until SIGTERM."""
