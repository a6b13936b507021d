// Requests to this server. The key lives in this module's memory and nowhere else.

import { say } from "./words.js";

let key = "";
let onDevice = null;

/** From now on `judge(body)` answers instead of the server; null: the server again. */
export function judgeWith(judge) {
  onDevice = judge;
}

export function setKey(value) {
  key = value.trim();
}

/** The server answered with an error, or something stood in between. */
export class Refused extends Error {
  constructor(status, problem, retryAfterS) {
    super(problem.detail || problem.title || say("no_details"));
    this.status = status;
    this.title = problem.title || say("server_error");
    this.requestId = problem.request_id || null;
    this.index = Number.isInteger(problem.index) ? problem.index : null;
    this.retryAfterS = retryAfterS;
  }
}

/** The browser itself could not judge. */
export class NotJudged extends Error {}

/** No answer came. */
export class Unreachable extends Error {}

/** Raises Refused, Unreachable, or AbortError where `signal` says so. */
export async function call(path, { body, signal } = {}) {
  const headers = {};
  if (key) headers["X-API-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body,
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable(
      /^[\x20-\x7e]*$/.test(key) ? say("no_answer") : say("key_character"),
    );
  }
  if (response.ok) return response;
  throw await refusal(response);
}

async function refusal(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Not ours: a proxy in between answers in its own words, which are not repeated here.
  }
  if (response.status === 401) document.dispatchEvent(new CustomEvent("postern:unauthorised"));
  const after = Number(response.headers.get("Retry-After"));
  return new Refused(response.status, problem, Number.isFinite(after) && after > 0 ? after : 1);
}

/** `POST /classify`; the reply as it stands in the API's documents. */
export async function classify(body, signal) {
  if (onDevice) {
    const reply = await onDevice(body);
    signal?.throwIfAborted();
    return reply;
  }
  return json(await call("classify", { body: JSON.stringify(body), signal }), signal);
}

/** The body as JSON. Raises Unreachable where the connection broke off inside it. */
export async function json(response, signal) {
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable(say("broke_off"));
  }
}

/** One paragraph for people. What the server says about an error stays in its own words. */
export function explain(error) {
  if (error instanceof Refused) {
    const repeated = error.message.toLowerCase().startsWith(error.title.toLowerCase());
    const said = repeated
      ? error.message[0].toUpperCase() + error.message.slice(1)
      : say("titled", { title: error.title, detail: error.message });
    const values = { said, status: String(error.status), seconds: error.retryAfterS, id: error.requestId };
    if (error.status === 429) return say(error.requestId ? "refused_later_id" : "refused_later", values);
    return say(error.requestId ? "refused_id" : "refused", values);
  }
  if (error instanceof NotJudged) return say("no_verdict_given", { what: error.message });
  if (error instanceof Unreachable) return say("no_verdict_given", { what: error.message });
  return say("page_failed", { why: error.message });
}
