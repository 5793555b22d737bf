// Reads a recording with npm @mcap/core, and prints the number of messages by topic and the bytes of the pictures as JSON.
import { open } from "node:fs/promises";
import { McapIndexedReader } from "@mcap/core";

const file = await open(process.argv[2]);
const readable = {
  size: async () => BigInt((await file.stat()).size),
  read: async (offset, length) => {
    const buffer = new Uint8Array(Number(length));
    await file.read(buffer, 0, Number(length), Number(offset));
    return buffer;
  },
};
const reader = await McapIndexedReader.Initialize({ readable });
const counts = {};
let bytes = 0;
for await (const message of reader.readMessages({ validateCrcs: true })) {
  const { topic } = reader.channelsById.get(message.channelId);
  counts[topic] = (counts[topic] ?? 0) + 1;
  bytes += topic === "/camera" ? message.data.length : 0;
}
const stated = Number(reader.statistics.messageCount);
console.log(JSON.stringify({ counts, bytes, stated, chunks: reader.chunkIndexes.length }));
await file.close();
