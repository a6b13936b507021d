// A chat completion of which nothing is sent or shown before the guard has judged it.

/** Nothing may be shown: a text is harmful, or nobody could say whether it is. */
export class Blocked extends Error {}

// So many further characters of an answer are judged together.
const STEP_CHARS = 200;

/**
 * The parts of the answer to a prompt, each after it was judged with all that came before it.
 *
 * guard: of postern-guard. stream(prompt, signal): the parts of an answer as the model says them.
 * Raises Blocked, before anything is sent if the prompt is harmful. Whatever else fails raises too.
 */
export async function* judgedAnswer(guard, prompt, stream) {
  await pass(guard, { prompt });
  const stop = new AbortController();
  try {
    let answer = "";
    let shown = 0;
    for await (const part of stream(prompt, stop.signal)) {
      answer += part;
      if (answer.length - shown < STEP_CHARS) continue;
      yield await judgedPart(guard, prompt, answer, shown);
      shown = answer.length;
    }
    if (answer.length > shown) yield await judgedPart(guard, prompt, answer, shown);
  } finally {
    stop.abort(); // the model need not go on with what nobody will see
  }
}

async function judgedPart(guard, prompt, answer, shown) {
  // Half of a character may have come; the other half comes with the next part.
  await pass(guard, { prompt, response: answer.toWellFormed?.() ?? answer });
  return answer.slice(shown);
}

/**
 * Raises Blocked if the exchange is harmful, or if the device cannot be sure that it is not. It
 * never is in a language that the model was not measured for.
 */
async function pass(guard, exchange) {
  const verdict = await guard.classify(exchange);
  if (verdict.harmful) throw new Blocked("This was judged harmful.");
  if (!verdict.language_supported) throw new Blocked("The model does not know this language, so it is not shown.");
  if (!verdict.sure) throw new Blocked("This device cannot be sure, so it is not shown.");
}

/** The parts of an answer of an OpenAI-compatible API, which streams server-sent events. */
export async function* chatCompletion(url, model, prompt, signal) {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt }] });
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
  if (!response.ok) throw new Error(`the model's server answered ${response.status}`);
  let kept = "";
  for await (const text of texts(response.body)) {
    const lines = (kept + text).split("\n");
    kept = lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data:") ? line.slice(5).trim() : "";
      if (data === "[DONE]") return;
      const content = data === "" ? undefined : JSON.parse(data).choices?.[0]?.delta?.content;
      if (content) yield content;
    }
  }
  throw new Error("the answer broke off");
}

async function* texts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}
