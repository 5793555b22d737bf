// The script of a page that drives with roslib, in Node and in a browser: full throttle 20 times a second while it is
// pressed, and zero once when it is released. `tell` gets each connection and each message.
export function drive(ROSLIB, url, tell) {
  const ros = new ROSLIB.Ros({});
  ros.on("error", () => {});
  ros.on("connection", () => tell("connected"));
  ros.on("close", () => setTimeout(() => ros.connect(url), 200));
  ros.connect(url);
  const topic = new ROSLIB.Topic({ ros, name: "/cmd_vel", messageType: "geometry_msgs/Twist" });
  const publish = (x) => {
    const value = { linear: { x, y: 0, z: 0 }, angular: { x: 0, y: 0, z: 0 } };
    tell("published");
    topic.publish(ROSLIB.Message ? new ROSLIB.Message(value) : value);
  };
  let pressed = false;
  setInterval(() => pressed && publish(0.5), 50);
  return {
    press() {
      pressed = true;
    },
    release() {
      pressed = false;
      publish(0);
    },
  };
}
