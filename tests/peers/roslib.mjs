// One drive with roslib: node roslib.mjs PACKAGE URL TYPE. Writes one line of JSON for each step.
const [, , name, url, type] = process.argv;
const found = await import(name);
const ROSLIB = found.Ros ? found : found.default;
const tell = (step, value) => console.log(JSON.stringify({ step, value }));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const ask = (call) => new Promise((done, failed) => call(done, failed));

const ros = new ROSLIB.Ros({});
ros.on("error", (error) => tell("error", String(error)));
await ask((done) => {
  ros.on("connection", done);
  ros.connect(url);
});
tell("topics", await ask((done, failed) => ros.getTopics(done, failed)));
tell("raw types", await ask((done, failed) => ros.getTopicsAndRawTypes(done, failed)));
const stamped = type.endsWith("TwistStamped");
const topic = new ROSLIB.Topic({ ros, name: stamped ? "/cmd_vel_stamped" : "/cmd_vel", messageType: type });
const twist = (x) => {
  const plain = { linear: { x, y: 0, z: 0 }, angular: { x: 0, y: 0, z: 0 } };
  const value = stamped ? { header: { stamp: { sec: 0, nanosec: 0 }, frame_id: "" }, twist: plain } : plain;
  return ROSLIB.Message ? new ROSLIB.Message(value) : value;
};
const state = new ROSLIB.Topic({ ros, name: "/picar/state", messageType: "std_msgs/String" });
let newest = "";
state.subscribe((message) => (newest = JSON.parse(message.data).state));
await sleep(700);
topic.publish(twist(0));
for (let sent = 0; sent < 200 && newest !== "armed"; sent++) {
  topic.publish(twist(0.5));
  await sleep(50);
}
tell("state", newest);
const request = ROSLIB.ServiceRequest ? new ROSLIB.ServiceRequest({}) : {};
const call = (service) => {
  const one = new ROSLIB.Service({ ros, name: service, serviceType: "std_srvs/Trigger" });
  return ask((done, failed) => one.callService(request, done, failed));
};
tell("stop", await call("/picar/stop"));
tell("unknown", await call("/reboot").catch((error) => `refused: ${error}`));
process.exit(0);
