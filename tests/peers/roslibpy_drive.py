"""One drive with roslibpy: `python -m tests.peers.roslibpy_drive URL TOKEN TRANSPORT`. Prints a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import roslibpy  # type: ignore[import-not-found, unused-ignore]

url, token, transport = sys.argv[1:]
roslibpy.set_default_transport(transport)
ros = roslibpy.Ros(url, headers={"Authorization": f"Bearer {token}"})
ros.run()
seen: list[str] = []
state = roslibpy.Topic(ros, "/picar/state", "std_msgs/String")
state.subscribe(lambda message: seen.append(json.loads(message["data"])["state"]))
topic = roslibpy.Topic(ros, "/cmd_vel", "geometry_msgs/Twist")


def publish(x: float) -> None:
    """Publish a Twist."""
    numbers = {"x": x, "y": 0.0, "z": 0.0}
    topic.publish(roslibpy.Message({"linear": numbers, "angular": dict.fromkeys("xyz", 0.0)}))


time.sleep(0.7)
publish(0.0)
for _ in range(200):
    if "armed" in seen:
        break
    publish(0.5)
    time.sleep(0.05)
result: dict[str, Any] = {"states": sorted(set(seen)), "topics": ros.get_topics()}
stop = roslibpy.Service(ros, "/picar/stop", "std_srvs/Trigger")
result["stop"] = dict(stop.call(roslibpy.ServiceRequest()))
try:
    result["unknown"] = roslibpy.Service(ros, "/reboot", "std_srvs/Trigger").call(roslibpy.ServiceRequest())
except Exception as error:
    result["unknown"] = f"refused: {error}"
print(json.dumps(result))
ros.terminate()
