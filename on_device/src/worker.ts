/** The thread that holds the model in a browser. See guard.ts for the other side. */
import { asGuardError } from "./errors.js";
import { Judge } from "./judge.js";
import type { Answer, Asked } from "./messages.js";

interface WorkerScope {
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
  postMessage(answer: Answer): void;
}

const scope = globalThis as unknown as WorkerScope;
let judge: Promise<Judge> | undefined;

scope.onmessage = (event) => void answer(event.data);

async function answer(asked: Asked): Promise<void> {
  try {
    scope.postMessage({ id: asked.id, value: await answered(asked) });
  } catch (thrown) {
    const { code, message } = asGuardError(thrown, "inference_failed", "the worker failed");
    scope.postMessage({ id: asked.id, error: { code, message } });
  }
}

async function answered(asked: Asked): Promise<unknown> {
  if (asked.what === "load") {
    holdLock(asked.lock);
    judge = Judge.load(new URL(asked.base), asked.offline, (read, total) =>
      scope.postMessage({ id: asked.id, progress: [read, total] }),
    );
    return (await judge).model;
  }
  return (await judge!).classify(asked.exchange, asked.options);
}

/** Held for as long as this thread lives, so that its end, of which no event tells, is seen. */
function holdLock(name: string): void {
  void globalThis.navigator?.locks?.request(name, () => {
    scope.postMessage({ id: 0, locked: true });
    return new Promise(() => {});
  });
}
