// Processor time of one window in this process, by its tokens: `node measure/cost.mjs ARTIFACT`.
// Processor time, because it says the same on a busy machine. See loadtests/on_device/processor.py.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Judge } from "../dist/judge.js";
import { Session } from "../dist/session.js";

const spent = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

const folder = process.argv[2];
const started = process.cpuUsage();
const judge = await Judge.load(new URL(`file://${folder}/`), false, () => {});
const load_ms = spent(started);
await judge.classify({ prompt: "The watchman walks his round. ".repeat(30), response: null }, {});
const peak_mb = process.resourceUsage().maxRSS / 1024;
await judge.close();

const session = await Session.open(readFileSync(join(folder, "model.onnx")), 0, 17);
const windows = {};
for (const tokens of [16, 64, 192]) {
  const window = { ids: Array.from({ length: tokens }, (_, i) => 1000 + i), typeIds: Array(tokens).fill(0) };
  // V8 replaces its first code by better code within the first runs.
  for (let run = 0; run < 40; run++) await session.run(window);
  const times = [];
  for (let run = 0; run < 15; run++) {
    const before = process.cpuUsage();
    await session.run(window);
    times.push(spent(before));
  }
  windows[tokens] = times.sort((a, b) => a - b)[7];
}
console.log(JSON.stringify({ load_ms, windows, peak_mb }));
