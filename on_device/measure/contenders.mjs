// What a page can run, by the name after `#`, each loaded at once and then asked for verdicts by
// `judge`. See loadtests/on_device/browser.py.
const origin = location.origin;

/** Kind -> a function that makes a judge of one prompt; its answer says what it read. */
const CONTENDERS = {
  blank: async () => async () => ({}),
  // As a page uses the package.
  worker: async () => {
    const { Guard } = await import("../dist/index.js");
    const guard = await Guard.load(`${origin}/artifact/`);
    return (prompt) => guard.classify({ prompt, response: null });
  },
  // The same code in the page's own thread, which Chromium can slow down.
  page: async () => {
    const { Judge } = await import("../dist/judge.js");
    const judge = await Judge.load(new URL(`${origin}/artifact/`), false, () => {});
    return (prompt) => judge.classify({ prompt, response: null }, {});
  },
  // The same graph as a user of transformers.js would run it: WebAssembly, in the page's thread.
  transformers: async () => {
    const { env, pipeline } = await import("/transformers/transformers.min.js");
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.localModelPath = "/models/";
    // The package keeps nothing either, unless it is asked to.
    env.useBrowserCache = false;
    const runtime = "ort-wasm-simd-threaded.asyncify";
    env.backends.onnx.wasm.wasmPaths = { mjs: `${origin}/runtime/${runtime}.mjs`, wasm: `${origin}/runtime/${runtime}.wasm` };
    const classifier = await pipeline("text-classification", "student", { dtype: "q8", device: "wasm" });
    return async (prompt) => ({ harmful: (await classifier(prompt))[0].label === "harmful" });
  },
};

const made = CONTENDERS[location.hash.slice(1)]();

/** Milliseconds from the page's start to the first verdict; `error` where there was none. */
globalThis.ready = made
  .then((judge) => judge("How do I bake bread?"))
  .then(() => ({ ms: performance.now() }))
  .catch((error) => ({ error: String(error?.code ?? error) }));

/** For each prompt: milliseconds, and the tokens and windows that were read, where it is told. */
globalThis.judge = async (prompts) => {
  const judge = await made;
  const told = [];
  for (const prompt of prompts) {
    const started = performance.now();
    const { tokens = null, windows = null, triggers = null } = await judge(prompt);
    told.push({ ms: performance.now() - started, tokens, windows, triggers });
  }
  return told;
};

/** Milliseconds of the same counting in the page's thread and in a worker. */
globalThis.counting = async () => {
  const count = `(() => { const started = performance.now(); let x = 1; for (let i = 0; i < 5e7; i++) x = (x * 31 + i) | 0; return performance.now() - started + (x & 0); })()`;
  const page = new Function(`return ${count}`)();
  const worker = new Worker(URL.createObjectURL(new Blob([`postMessage(${count})`])));
  const other = await new Promise((settle) => (worker.onmessage = (event) => settle(event.data)));
  worker.terminate();
  return { page, worker: other };
};
