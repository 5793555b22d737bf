"""A ROS 2 node that drives the car by /cmd_vel (geometry_msgs/Twist).

    source /opt/ros/NAME/setup.bash
    python3 -m venv --system-site-packages ros && ros/bin/python -m pip install .
    ros/bin/python docs/examples/ros2_node.py CAR:8000

The token is in $PICAR_TOKEN. A Twist has no time and no duration: the car follows it for OLD_S, then stands.
"""

import asyncio
import sys
import time

from picar.client import AsyncCar, CarError

try:
    import rclpy
    from geometry_msgs.msg import Twist
except ImportError as error:
    sys.exit(f"{error}. Start this program with the Python of ROS.")

OLD_S = 0.3
TOP_M_S, TOP_RAD_S = 0.8, 4.0  # of your car at full stick


async def main(address: str = "localhost") -> None:
    """Follow the newest Twist until ROS ends."""
    rclpy.init()
    node, newest = rclpy.create_node("picar"), (float("-inf"), 0.0, 0.0)

    def take(twist: Twist) -> None:
        nonlocal newest
        newest = time.monotonic(), twist.linear.x / TOP_M_S, -twist.angular.z / TOP_RAD_S

    node.create_subscription(Twist, "cmd_vel", take, 1)
    async with AsyncCar(address) as car:
        while rclpy.ok():
            rclpy.spin_once(node, timeout_sec=0.0)
            at, *speeds = newest
            old = time.monotonic() - at > OLD_S
            await car.drive(*(0.0 if old else max(-1.0, min(1.0, speed)) for speed in speeds))


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:2]))
    except CarError as error:
        sys.exit(f"{error.code}: {error}")
    except KeyboardInterrupt:
        pass  # the end of the `with` block has stopped the car
