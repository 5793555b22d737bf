"""A camera process with something odd about it: `python -m tests.camera.odd_camera ODDITY`. It sends 50 pictures a second.

steady     nothing
deaf       it ignores end-of-file
orphan     it also outlives its parent
silent     it sends no picture
garbage    after three pictures it sends bytes that are no frame
noise      after three pictures it sends a picture that is no JPEG
huge       after three pictures it sends the head of a frame of more than 1 MiB
big        its pictures have 1 MiB
old        its pictures are 5 s old
future     its pictures are taken in an hour
flood      after three pictures it sends tiny ones without a pause
deep       after three pictures it sends a notice of ten thousand lists
mute       after three pictures it sends no more
trouble    it cannot open the camera
exit, segv, oom   after three pictures it ends with code 3, signal 11, signal 9

Two are the real camera process with an odd source:

eater      between two pictures it keeps the GIL and the processor
leak       with each picture it takes 16 MiB more
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import sys
import time

from picar.camera import __main__ as real
from picar.camera.frames import MAX_BYTES, NOTICE, PICTURE, Frame
from picar.camera.sources import NS, Drawn

_ODDITY = sys.argv[1]
_JPEG = b"\xff\xd8 a picture"


def _send(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def _picture(seq: int) -> bytes:
    captured_ns = time.monotonic_ns() + {"old": -5, "future": 3600}.get(_ODDITY, 0) * NS
    body = _JPEG.ljust(MAX_BYTES, b"x") if _ODDITY == "big" else _JPEG
    return Frame(PICTURE, 0, 640, 480, seq, captured_ns, body).pack()


def _odd(seq: int) -> None:
    """Do the odd thing in the place of a picture."""
    if _ODDITY == "garbage":
        _send(os.urandom(50_000))
    elif _ODDITY == "noise":
        _send(Frame(PICTURE, 0, 640, 480, seq, time.monotonic_ns(), b"no JPEG").pack())
    elif _ODDITY == "huge":
        _send((MAX_BYTES + 1).to_bytes(4) + bytes(20))
    elif _ODDITY == "flood":
        _send(b"".join(_picture(seq + n) for n in range(10_000)))
    elif _ODDITY == "deep":
        _send(Frame(NOTICE, 0, 0, 0, seq, 0, b"[" * 10_000).pack())
    elif _ODDITY == "exit":
        sys.exit(3)
    elif _ODDITY in ("segv", "oom"):
        os.kill(os.getpid(), signal.SIGSEGV if _ODDITY == "segv" else signal.SIGKILL)
    time.sleep(3600)


def _eat(self: Drawn) -> None:
    """Wait as `Drawn.wait` does, but busily."""
    while time.monotonic_ns() < self._due_ns:
        pass
    self._due_ns = time.monotonic_ns() + NS // self.order["fps"]


def _leak(_self: Drawn, kept: list[bytes] = []) -> None:  # noqa: B006 - it shall grow
    time.sleep(0.02)
    kept.append(b"x" * (16 << 20))


def main() -> None:
    if oddly := {"eater": _eat, "leak": _leak}.get(_ODDITY):
        print(f"an odd camera: {_ODDITY}", file=sys.stderr)
        setattr(Drawn, "wait", oddly)  # noqa: B010
        sys.exit(real.main())
    if _ODDITY != "orphan":
        real._step_back()
    told: dict[str, object] = {"code": None, "message": None, "upright": False}
    if _ODDITY == "trouble":
        told |= {"code": "missing", "message": "No camera was found."}
    _send(Frame(NOTICE, 0, 0, 0, 1, 0, json.dumps(told).encode()).pack())
    if _ODDITY == "trouble":
        return
    for seq in itertools.count(2):
        if _ODDITY == "silent" or (
            seq > 4 and _ODDITY not in ("steady", "deaf", "orphan", "big", "old", "future")
        ):
            _odd(seq)
        try:
            _send(_picture(seq))
            if select.select([0], [], [], 0.02)[0] and not os.read(0, 4096):
                raise BrokenPipeError  # noqa: TRY301 - both ends of the pipes mean the same
        except BrokenPipeError:
            if _ODDITY not in ("deaf", "orphan"):
                return
            time.sleep(3600)


if __name__ == "__main__":
    main()
