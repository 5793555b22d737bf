// Foxglove's own client: node foxglove.mjs URL. Writes the channels, then one line of JSON for each first message.
import protocol from "@foxglove/ws-protocol";
import { WebSocket } from "ws";

const { FoxgloveClient } = protocol;
const [, , url] = process.argv;
const tell = (step, value) => console.log(JSON.stringify({ step, value }));
const socket = new WebSocket(url, [FoxgloveClient.SUPPORTED_SUBPROTOCOL]);
socket.binaryType = "arraybuffer";
const client = new FoxgloveClient({ ws: socket });
const open = new Map();
client.on("error", (error) => tell("error", String(error)));
client.on("status", (status) => tell("status", status));
client.on("serverInfo", (info) => tell("info", info));
client.on("advertise", (channels) => {
  tell("channels", channels);
  for (const channel of channels) open.set(client.subscribe(channel.id), channel);
});
client.on("message", ({ subscriptionId, timestamp, data }) => {
  const channel = open.get(subscriptionId);
  if (channel === undefined) return;
  open.delete(subscriptionId);
  tell(channel.topic, { at: String(timestamp), message: JSON.parse(new TextDecoder().decode(data)) });
  if (open.size === 0) client.close();
});
