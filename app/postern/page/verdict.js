// One result of the API as elements: badge, scale, worst window, facts.

import { h, place } from "./dom.js";
import { decimal, languageName, percent, say } from "./words.js";

const DECIDED_BY = new Set(["student", "teacher", "fused", "fallback", "policy", "list"]);

export function decidedBy({ decided_by: who, list_name: list, list_reason: reason }) {
  const by = DECIDED_BY.has(who) ? say(`by_${who}`) : who;
  if (!list) return by;
  return reason ? say("by_named_because", { by, list, reason }) : say("by_named", { by, list });
}

export function badge(result) {
  return result.harmful
    ? h("span", { class: "badge harmful" }, `▲ ${say("harmful")}`)
    : h("span", { class: "badge unharmful" }, `✓ ${say("not_harmful")}`);
}

/** Where the probability lies between 0 and 1, against threshold and deferral band. */
export function scale(result) {
  const { probability, threshold, deferral_band: [low, high] } = result;
  const [at, from, least, most] = [probability, threshold, low, high].map((one) => decimal(one, 3));
  const said = say("scale_said", { probability: at, threshold: from, low: least, high: most });
  const side = threshold > 0.5 ? "left" : "right";
  return h(
    "div",
    { class: "scale", role: "img", "aria-label": said },
    h("div", { class: "track" }, place(h("div", { class: "band" }), low, high - low)),
    place(h("div", { class: "threshold" }), threshold),
    place(h("span", { class: `label ${side}` }, say("threshold_at", { threshold: from })), threshold),
    place(h("div", { class: result.harmful ? "marker harmful" : "marker" }), probability),
    h("span", { class: "edge" }, "0"),
    h("span", { class: "middle" }, h("span", {}, h("span", { class: "swatch" }), say("deferral_band"))),
    h("span", { class: "edge last" }, "1"),
  );
}

/** The kinds of harm that apply; null where none does. */
export function categories(result) {
  const applying = (result.categories ?? []).filter((one) => one.applies);
  if (!applying.length) return null;
  const item = ({ name, probability }) => h("li", { class: "badge harmful" }, say("category", { name: name.replaceAll("_", " "), percent: percent(probability) }));
  return h("ul", { class: "categories", "aria-label": say("categories") }, ...applying.map(item));
}

export function degraded(result) {
  if (!result.degraded || (!result.language_supported && result.decided_by !== "fallback")) return null;
  return h("p", { class: "notice" }, say("degraded"));
}

/** That the student was not measured for what it read; null where it was. */
export function language(result) {
  if (result.language_supported !== false) return null;
  const blocked = result.block_reason === "unsupported_language";
  const then = blocked ? "blocked" : result.decided_by === "teacher" ? "teacher" : "student";
  return h("p", { class: "notice" }, say(`language_${then}`, { language: readAs(result) }));
}

/** That the server may decide otherwise about what this device judged; null where it may not, or judged itself. */
export function unsure(result) {
  if (result.sure !== false || result.language_supported === false) return null;
  return h("p", { class: "notice" }, say("not_sure"));
}

const readAs = ({ language: tag }) => (tag === "und" ? say("unknown_language") : languageName(tag));

/** Which part of a long text decided; null where the text was one window. */
export function worstWindow(result, prompt, response) {
  const worst = result.worst_window;
  if (!worst) return null;
  return h(
    "div",
    { class: "worst" },
    h("h3", {}, say("worst_window", { index: worst.index + 1, n: result.windows })),
    part(say("prompt"), worst.prompt, prompt),
    worst.response ? part(say("answer"), worst.response, response) : null,
  );
}

function part(name, { start, end, tokens }, text) {
  const [from, to] = tokens ? [start / tokens, end / tokens] : [0, 1];
  const whole = from === 0 && to === 1;
  const said = whole
    ? say("part_whole", { part: name, tokens })
    : say("part_of", { part: name, start: start + 1, end, tokens, from: percent(from, 0), to: percent(to, 0) });
  const characters = Array.from(text ?? "");
  const excerpt = characters.slice(Math.floor(from * characters.length), Math.ceil(to * characters.length)).join("");
  return h(
    "div",
    {},
    h("p", { class: "quiet" }, said),
    h("div", { class: "strip", "aria-hidden": "true" }, place(h("span"), from, to - from)),
    whole || !excerpt ? null : h("details", {}, h("summary", {}, say("roughly")), h("blockquote", { class: "excerpt" }, excerpt)),
  );
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

const ms = (value) => say("milliseconds", { ms: decimal(value, 1) });

/** The whole of one verdict. */
export function verdictCard(reply, prompt, response) {
  const [result] = reply.results;
  const { timings_ms: timings, model } = reply;
  return h(
    "article",
    { class: "card verdict", "aria-label": say("verdict") },
    h("div", { class: "headline" }, badge(result), h("strong", {}, percent(result.probability)), h("span", { class: "quiet" }, say("probability_note"))),
    scale(result),
    categories(result),
    degraded(result),
    language(result),
    unsure(result),
    worstWindow(result, prompt, response),
    h(
      "dl",
      { class: "facts" },
      fact(say("decided_by"), decidedBy(result)),
      fact(say("operating_point"), reply.operating_point),
      fact(say("tokens"), say("tokens_in", { tokens: result.tokens, n: result.windows })),
      fact(say("in_the_queue"), ms(timings.queue)),
      fact(say("inference"), ms(timings.inference)),
      fact(say("teacher"), ms(timings.teacher)),
      fact(say("total"), ms(timings.total)),
      fact(say("model"), result.read_by?.replace("/", " ") ?? `${model.name} ${model.version}`),
      result.language ? fact(say("language_fact"), readAs(result)) : null,
    ),
  );
}
