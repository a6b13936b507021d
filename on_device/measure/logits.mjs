// Logits of every window of every exchange that the measuring server has, posted back to it.
// Runs in a page of that server, or as `node measure/logits.mjs URL`. See loadtests/on_device/parity.py.
import { Judge } from "../dist/judge.js";

const origin = globalThis.location?.origin ?? process.argv[2];
const agent = globalThis.location ? navigator.userAgent : `node ${process.version}`;

async function post(body) {
  await fetch(`${origin}/results`, { method: "POST", body: JSON.stringify(body) });
}

try {
  const judge = await Judge.load(new URL(`${origin}/artifact/`), false, () => {});
  const exchanges = await (await fetch(`${origin}/exchanges`)).json();
  let logits = [];
  for (const [index, [prompt, response]] of exchanges.entries()) {
    logits.push(await judge.logits({ prompt, response }));
    if (logits.length === 5 || index === exchanges.length - 1) {
      await post({ agent, logits });
      logits = [];
    }
  }
  await post({ done: true });
} catch (error) {
  await post({ failed: `${error.code ?? error.name}: ${error.message}` });
}
