"""Send the speeds of the car to a microcontroller that drives the motors: an example of a board that picar does not drive.

    .venv/bin/python docs/examples/serial_board.py PORT CAR:8000 [TOKEN]

PORT is the serial port, for example /dev/ttyUSB0. docs/boards.md explains how to start picar for this program.
A line is `<LEFT RIGHT>`, or `<THROTTLE STEERING>` for a car with steering: whole numbers from -255 to 255.

The program sends zero when
- no state has come for OLD_S, or picar has closed the connection;
- the program ends, except by SIGKILL.

The microcontroller must stop its motors by itself when no line has come for half a second. Nothing else stops the car
when this program hangs or is killed, or when the cable is unplugged.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import termios
import tty

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

OLD_S = 0.3  # a spectator receives a state every 0.2 s


def open_port(path: str) -> int:
    """Open a serial port with 115200 bit/s. A write never waits."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(port)
    settings = termios.tcgetattr(port)
    settings[4] = settings[5] = termios.B115200
    termios.tcsetattr(port, termios.TCSANOW, settings)
    return port


def send(port: int, first: float = 0.0, second: float = 0.0) -> None:
    """Send two speeds in [-1, 1]."""
    line = f"<{round(255 * first)} {round(255 * second)}>\n".encode()
    if os.write(port, line) < len(line):
        raise BlockingIOError("the microcontroller does not read")


async def follow(port: int, car: str, token: str = "") -> None:
    """Send the applied speeds of each state, as a spectator, until the connection ends."""
    request = HTTPRequest(f"ws://{car}/ws", headers={"Authorization": f"Bearer {token}"} if token else {})
    socket = await websocket_connect(request, subprotocols=["picar.v1"])
    late = asyncio.get_running_loop().call_later(OLD_S, send, port)
    try:
        while message := await socket.read_message():
            state = json.loads(message)
            if state["type"] == "state":
                late.cancel()
                send(port, *state["applied"].values())
                late = asyncio.get_running_loop().call_later(OLD_S, send, port)
    finally:
        send(port)  # before anything else ends
        socket.close()
    raise ConnectionError("picar has closed the connection")


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it with & lets it ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    if not 3 <= len(sys.argv) <= 4:
        sys.exit("Usage: serial_board.py PORT CAR:8000 [TOKEN]")
    try:
        serial = open_port(sys.argv[1])
    except (OSError, termios.error) as error:
        sys.exit(f"{sys.argv[1]} is not a serial port that can be opened: {error}")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(follow(serial, *sys.argv[2:]))
    except (OSError, HTTPClientError) as error:
        sys.exit(f"{sys.argv[2]}: {error}")
    finally:
        send(serial)
