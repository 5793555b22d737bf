"""Drive towards the largest yellow thing in the camera's picture: a loop over pictures with OpenCV.

    .venv/bin/python -m pip install opencv-python-headless
    .venv/bin/python docs/examples/opencv_loop.py CAR:8000 [TOKEN]

The car stops when the picture shows no yellow, when the pictures end, and when one turn of the loop takes longer than 0.5 s.
"""

import sys

from picar.client import Car, CarError

try:
    import cv2
    import numpy as np
except ImportError as error:
    sys.exit(f"{error}. Install it: .venv/bin/python -m pip install opencv-python-headless")

LOW, HIGH = (20, 90, 90), (35, 255, 255)  # yellow: hue of 180, saturation, value
LEAST = 0.002  # share of the picture
SPEED, GAIN = 0.3, 0.6


def look(jpeg: bytes) -> float | None:
    """Return where the yellow is, from -1 (left edge) to 1 (right edge), or None without any."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    moments = cv2.moments(cv2.inRange(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), LOW, HIGH), binaryImage=True)
    if moments["m00"] < LEAST * width * height:
        return None
    return 2 * moments["m10"] / moments["m00"] / width - 1


if __name__ == "__main__":
    try:
        with Car(*sys.argv[1:3]) as car:
            for frame in car.frames():
                side = look(frame)
                if side is None:
                    car.stop()
                else:
                    car.drive(SPEED, GAIN * side)
    except CarError as error:
        sys.exit(f"{error.code}: {error}")
    except KeyboardInterrupt:
        pass  # the end of the `with` block has stopped the car
