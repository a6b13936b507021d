// One result of the API as elements: badge, scale, worst window, facts.

import { h, percent, place } from "./dom.js";

const DECIDED_BY = {
  student: "the student",
  teacher: "the teacher",
  fused: "student and teacher together",
  fallback: "the policy for a missing teacher",
  policy: "the operator’s policy",
  list: "a list of the operator",
};

export function decidedBy(result) {
  const by = DECIDED_BY[result.decided_by] ?? result.decided_by;
  if (!result.list_name) return by;
  return `${by}, ${result.list_name}${result.list_reason ? `: ${result.list_reason}` : ""}`;
}

export function badge(result) {
  return result.harmful
    ? h("span", { class: "badge harmful" }, "▲ Harmful")
    : h("span", { class: "badge unharmful" }, "✓ Not harmful");
}

/** Where the probability lies between 0 and 1, against threshold and deferral band. */
export function scale(result) {
  const { probability, threshold, deferral_band: [low, high] } = result;
  const said =
    `Probability ${probability.toFixed(3)}; harmful from the threshold ${threshold.toFixed(3)} on; ` +
    `deferral band ${low.toFixed(3)} to ${high.toFixed(3)}.`;
  const side = threshold > 0.5 ? "left" : "right";
  return h(
    "div",
    { class: "scale", role: "img", "aria-label": said },
    h("div", { class: "track" }, place(h("div", { class: "band" }), low, high - low)),
    place(h("div", { class: "threshold" }), threshold),
    place(h("span", { class: `label ${side}` }, `threshold ${threshold.toFixed(3)}`), threshold),
    place(h("div", { class: result.harmful ? "marker harmful" : "marker" }), probability),
    h("span", { class: "edge" }, "0"),
    h("span", { class: "middle" }, h("span", {}, h("span", { class: "swatch" }), "deferral band")),
    h("span", { class: "edge last" }, "1"),
  );
}

/** The kinds of harm that apply; null where none does. */
export function categories(result) {
  const applying = (result.categories ?? []).filter((one) => one.applies);
  if (!applying.length) return null;
  const item = ({ name, probability }) => h("li", { class: "badge harmful" }, `${name.replaceAll("_", " ")} ${percent(probability)}`);
  return h("ul", { class: "categories", "aria-label": "Categories of harm" }, ...applying.map(item));
}

export function degraded(result) {
  if (!result.degraded || (!result.language_supported && result.decided_by !== "fallback")) return null;
  return h("p", { class: "notice" }, "Degraded: a teacher was wanted and gave nothing, so the artifact’s policy decided.");
}

/** That the student was not measured for what it read; null where it was. */
export function language(result) {
  if (result.language_supported !== false) return null;
  const name = result.language === "und" ? "an unknown language" : nameOf(result.language);
  const then = result.block_reason === "unsupported_language"
    ? "and such text is blocked whatever its probability."
    : result.decided_by === "teacher"
      ? "so the teacher, which was, decided alone."
      : "so the probability may mean nothing.";
  return h("p", { class: "notice" }, `Language: ${name}. The student was not measured for it, ${then}`);
}

function nameOf(tag) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** Which part of a long text decided; null where the text was one window. */
export function worstWindow(result, prompt, response) {
  const worst = result.worst_window;
  if (!worst) return null;
  return h(
    "div",
    { class: "worst" },
    h("h3", {}, `Worst window: ${worst.index + 1} of ${result.windows}`),
    part("Prompt", worst.prompt, prompt),
    worst.response ? part("Answer", worst.response, response) : null,
  );
}

function part(name, { start, end, tokens }, text) {
  const [from, to] = tokens ? [start / tokens, end / tokens] : [0, 1];
  const whole = from === 0 && to === 1;
  const said = whole
    ? `${name}: all of its ${tokens} tokens`
    : `${name}: tokens ${start + 1} to ${end} of ${tokens}, about ${percent(from, 0)} to ${percent(to, 0)} of the text`;
  const characters = Array.from(text ?? "");
  const excerpt = characters.slice(Math.floor(from * characters.length), Math.ceil(to * characters.length)).join("");
  return h(
    "div",
    {},
    h("p", { class: "quiet" }, said),
    h("div", { class: "strip", "aria-hidden": "true" }, place(h("span"), from, to - from)),
    whole || !excerpt ? null : h("details", {}, h("summary", {}, "Roughly this part"), h("blockquote", { class: "excerpt" }, excerpt)),
  );
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

const ms = (value) => `${value.toFixed(1)} ms`;

/** The whole of one verdict. */
export function verdictCard(reply, prompt, response) {
  const [result] = reply.results;
  const { timings_ms: timings, model } = reply;
  return h(
    "article",
    { class: "card verdict", "aria-label": "Verdict" },
    h("div", { class: "headline" }, badge(result), h("strong", {}, percent(result.probability)), h("span", { class: "quiet" }, "calibrated probability of harm")),
    scale(result),
    categories(result),
    degraded(result),
    language(result),
    worstWindow(result, prompt, response),
    h(
      "dl",
      { class: "facts" },
      fact("Decided by", decidedBy(result)),
      fact("Operating point", reply.operating_point),
      fact("Tokens", `${result.tokens} in ${result.windows} ${result.windows === 1 ? "window" : "windows"}`),
      fact("In the queue", ms(timings.queue)),
      fact("Inference", ms(timings.inference)),
      fact("Teacher", ms(timings.teacher)),
      fact("Total", ms(timings.total)),
      fact("Model", `${model.name} ${model.version}`),
    ),
  );
}
