// The page in Node: node page.mjs PACKAGE URL. Reads `press` and `release`, one a line.
// Writes a line of JSON for each connection and for each message, with its time (CLOCK_MONOTONIC, s).
import { createInterface } from "node:readline";
import { drive } from "./driver.mjs";

const [, , name, url] = process.argv;
const found = await import(name);
const tell = (step) => console.log(JSON.stringify({ step, at: Number(process.hrtime.bigint()) / 1e9 }));
const hand = drive(found.Ros ? found : found.default, url, tell);
for await (const line of createInterface({ input: process.stdin })) hand[line]();
process.exit(0);
