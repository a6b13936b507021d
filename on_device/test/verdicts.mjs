// Verdicts on exchanges: reads one JSON list of [prompt, response, options] from standard input.
import { readFileSync } from "node:fs";
import { Guard } from "../dist/index.js";

const guard = await Guard.load(process.argv[2]);
const found = [];
for (const [prompt, response, options] of JSON.parse(readFileSync(0, "utf8"))) {
  found.push(await guard.classify({ prompt, response }, options ?? {}).catch((error) => ({ error: error.code })));
}
console.log(JSON.stringify(found));
await guard.close();
