"""The garage: many cars at once, by a WebSocket to each and by a broker. It steers none of them."""
