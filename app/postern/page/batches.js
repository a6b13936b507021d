// Rows -> requests of bounded size, a few at a time. Every row ends with a verdict or an error.

import { Refused, Unreachable, classify, explain } from "./api.js";
import { say } from "./words.js";

const AT_ONCE = 2;
// Small enough for a smooth bar and for the deadline of a request on a slow machine.
const ROWS = 32;
const BYTES_OF_FRAME = 1024;
const MOST_RETRIES = 60;
// What every further request would meet as well.
const HOPELESS = new Set([401, 403, 404, 405, 415, 503]);

const encoder = new TextEncoder();
const inputOf = ({ prompt, response }) => (response === null ? { prompt } : { prompt, response });

/** Groups of rows that keep the server's limits of items and bytes. */
export function batchesOf(rows, limits) {
  const most = Math.min(ROWS, limits.max_items);
  const batches = [];
  let bytes = Infinity;
  for (const row of rows) {
    const size = encoder.encode(JSON.stringify(inputOf(row))).length + 1;
    if (bytes + size > limits.max_body_bytes - BYTES_OF_FRAME || batches.at(-1).length >= most) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1).push(row);
    bytes += size;
  }
  return batches;
}

/**
 * Judges the rows that have no error yet; writes `result` or `error` into each.
 * changed: called with the rows that got one. waiting: called with seconds when the server is full.
 * Raises Refused or Unreachable when going on is hopeless, AbortError when `signal` says so.
 */
export async function judgeRows(rows, { options, limits, signal, changed, waiting }) {
  const queue = batchesOf(rows.filter((row) => !row.error), limits);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const run = { queue, options, changed, waiting, signal: either, resumeAt: 0 };
  const worker = async () => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) await judgeBatch(batch, run);
  };
  const workers = Array.from({ length: AT_ONCE }, worker);
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(workers);
    throw error;
  }
}

async function judgeBatch(batch, run) {
  for (let retries = 0; batch.length; retries += 1) {
    await pause(run.resumeAt - performance.now(), run.signal);
    try {
      const reply = await classify({ inputs: batch.map(inputOf), ...run.options }, run.signal);
      keep(batch, reply, run);
      return;
    } catch (error) {
      if (!(error instanceof Refused) || HOPELESS.has(error.status)) throw error;
      batch = afterRefusal(batch, error, retries, run);
    }
  }
}

function keep(batch, reply, { changed }) {
  if (reply.results?.length !== batch.length) throw new Unreachable(say("misfit"));
  batch.forEach((row, index) => {
    row.result = reply.results[index];
    row.operatingPoint = reply.operating_point;
  });
  changed(batch);
}

/** What of the batch is to be sent again at once; the rest has its error or is queued in halves. */
function afterRefusal(batch, error, retries, run) {
  if (error.status === 429 && retries < MOST_RETRIES) {
    run.resumeAt = Math.max(run.resumeAt, performance.now() + error.retryAfterS * 1000);
    run.waiting(error.retryAfterS);
    return batch;
  }
  const blamed = batch.length === 1 ? 0 : error.index;
  if (blamed !== null && batch[blamed]) {
    batch[blamed].error = explain(error);
    run.changed([batch[blamed]]);
    return batch.filter((_, index) => index !== blamed);
  }
  // Too much at once, or one of them is at fault and the server does not say which.
  const half = Math.ceil(batch.length / 2);
  run.queue.unshift(batch.slice(0, half), batch.slice(half));
  return [];
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    if (ms <= 0) return resolve();
    const left = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", left);
      resolve();
    }, ms);
    signal.addEventListener("abort", left, { once: true });
  });
}
