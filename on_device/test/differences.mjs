// node test/differences.mjs FILE: compares TypeScript with the digests that
// `python -m scripts.on_device --fuzz COUNT --output FILE` wrote. Prints places, never text.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { answer, digest, shippedReader, shippedWindows } from "./answers.mjs";

const windows = shippedWindows();
const reader = shippedReader();
const differing = [];
let compared = 0;
let errors = 0;
let unclear = 0; // languages that the rounding of the server may decide
let foreign = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const [prompt, response, expected] = JSON.parse(line);
  const found = answer(windows, reader, prompt, response);
  if (found.reading === null) unclear++;
  if (found.reading?.[1] === false) foreign++;
  if (found.error !== undefined) errors++;
  if (digest(found) !== expected) differing.push(compared);
  compared++;
}
console.log(JSON.stringify({ compared, errors, unclear, foreign, differing: differing.length, first: differing.slice(0, 20) }));
process.exitCode = differing.length || !compared ? 1 : 0;
