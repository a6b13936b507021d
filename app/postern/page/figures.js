// The tab of live figures: polls /metrics while it is looked at.

import { call, explain } from "./api.js";
import { byId, h, svg } from "./dom.js";
import { buckets, parseMetrics, quantile, since, total, totalBy } from "./prometheus.js";
import { decimal, percent, rounded, say } from "./words.js";

const EVERY_MS = 2000;
const WINDOW_MS = 60_000;
// Probes, scrapes and this page are no traffic.
const NO_TRAFFIC = new Set(["/", "/page/{asset}", "/docs", "/docs/{asset}", "/openapi.json", "/info", "/metrics", "/healthz", "/readyz"]);
const isTraffic = ({ route }) => !NO_TRAFFIC.has(route);

export function figuresTab() {
  let states = [];
  let timer = null;
  let paused = false;

  async function poll() {
    try {
      const metrics = parseMetrics(await (await call("metrics")).text());
      states = remember(states, { at: performance.now(), metrics });
      byId("figures").replaceChildren(draw(states));
      byId("figures-error").textContent = "";
      // A poll that was under way when the figures were paused still ends here.
      byId("figures-status").textContent = paused ? say("paused") : say("read_every", { seconds: EVERY_MS / 1000 });
    } catch (error) {
      byId("figures-error").textContent = explain(error);
      byId("figures-status").textContent = say("not_live");
    }
    if (wanted()) timer = setTimeout(poll, EVERY_MS);
    else timer = null;
  }

  const wanted = () => !paused && !byId("panel-figures").hidden && document.visibilityState === "visible";
  const start = () => {
    if (wanted() && timer === null) {
      timer = 0; // taken until the first poll has set its own
      poll();
    }
  };
  byId("figures-pause").addEventListener("click", (event) => {
    paused = !paused;
    event.target.setAttribute("aria-pressed", paused);
    byId("figures-status").textContent = paused ? say("paused") : "";
    start();
  });
  document.addEventListener("visibilitychange", start);
  return start;
}

/** The states of the last minute, the newest last. A server that began anew begins a new list. */
function remember(states, state) {
  const count = ({ metrics }) => total(metrics, "postern_requests_total");
  const older = states.length && count(states.at(-1)) > count(state) ? [] : states;
  return [...older.filter(({ at }) => state.at - at <= WINDOW_MS), state];
}

function draw(states) {
  const { metrics } = states.at(-1);
  return h("div", { class: "figures" }, requests(states), ...latencies(states), verdicts(metrics), deferrals(metrics), refusals(metrics), audited(metrics), shadow(metrics), scores(metrics));
}

function card(title, figure, note, ...rest) {
  return h("section", { class: "card" }, h("h2", {}, title), h("p", { class: "figure" }, figure), h("p", { class: "quiet" }, note), ...rest);
}

const answered = ({ metrics }) => total(metrics, "postern_requests_total", isTraffic);

function requests(states) {
  const first = states[0];
  const last = states.at(-1);
  const elapsedS = (last.at - first.at) / 1000;
  const rate = elapsedS ? decimal((answered(last) - answered(first)) / elapsedS, 1) : "…";
  const rates = states.slice(1).map((state, index) => {
    const before = states[index];
    return (answered(state) - answered(before)) / ((state.at - before.at) / 1000);
  });
  return card(say("rate"), rate, say("rate_note", { n: answered(last) }), line(rates));
}

const whole = (count) => decimal(count, 0);
const upTo = (bound, count) => say("up_to", { bound: decimal(bound, bound < 0.1 || bound > 0.9 ? 3 : 2), count });

function line(values) {
  const top = Math.max(1e-9, ...values);
  const step = values.length > 1 ? 100 / (values.length - 1) : 100;
  const points = values.map((value, index) => `${index * step},${30 - (28 * value) / top}`).join(" ");
  return svg("svg", { class: "chart line", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("polyline", { points }));
}

function latencies(states) {
  const read = ({ metrics }) => buckets(metrics, "postern_request_duration_seconds", isTraffic);
  const recent = since(read(states.at(-1)), read(states[0]));
  return [
    [0.5, say("latency_median")],
    [0.95, say("latency_slow")],
  ].map(([share, title]) => {
    const seconds = quantile(share, recent);
    return card(title, seconds === null ? "–" : say("milliseconds", { ms: rounded(seconds * 1000) }), say("latency_note"));
  });
}

function verdicts(metrics) {
  const by = totalBy(metrics, "postern_verdicts_total", "verdict");
  const harmful = by.get("harmful") ?? 0;
  const all = harmful + (by.get("unharmful") ?? 0);
  const share = all ? harmful / all : 0;
  const bar = h("div", { class: "mix", "aria-hidden": "true" });
  if (all) {
    for (const [name, part] of [["harmful", share], ["unharmful", 1 - share]]) {
      const piece = h("span", { class: name });
      piece.style.width = `${part * 100}%`;
      bar.append(piece);
    }
  }
  const note = all ? say("verdicts_note", { harmful, percent: percent(share), unharmful: all - harmful }) : say("none_yet");
  return card(say("verdicts"), whole(all), note, bar);
}

function deferrals(metrics) {
  const by = totalBy(metrics, "postern_verdicts_total", "decided_by");
  const all = [...by.values()].reduce((sum, value) => sum + value, 0);
  const deferred = all - (by.get("student") ?? 0);
  const lost = total(metrics, "postern_degraded_total");
  return card(say("deferred"), whole(deferred), say("deferred_note", { percent: percent(all ? deferred / all : 0), n: lost }));
}

function refusals(metrics) {
  const by = [...totalBy(metrics, "postern_rejected_total", "reason")].sort(([, a], [, b]) => b - a);
  const all = by.reduce((sum, [, value]) => sum + value, 0);
  const note = by.slice(0, 4).map(([reason, value]) => `${reason}: ${whole(value)}`).join(", ");
  return card(say("rejected"), whole(all), note || say("none"));
}

/** Nothing where every route enforces. */
function audited(metrics) {
  if (!metrics.has("postern_audited_total")) return null;
  const by = totalBy(metrics, "postern_audited_total", "outcome");
  const all = [...by.values()].reduce((sum, value) => sum + value, 0);
  const prompts = by.get("blocked_prompt") ?? 0;
  const responses = by.get("blocked_response") ?? 0;
  const share = percent(all ? (prompts + responses) / all : 0);
  const note = say("would_block_note", { percent: share, n: all, prompts, answers: responses, failed: by.get("failed") ?? 0 });
  return card(say("would_block"), whole(prompts + responses), note);
}

/** Nothing where no student is tried. */
function shadow(metrics) {
  if (!metrics.has("postern_shadow_verdicts_total")) return null;
  const said = (student, tried) => (labels) => labels.student === student && labels.shadow === tried;
  const points = [...totalBy(metrics, "postern_shadow_verdicts_total", "operating_point").keys()];
  const lines = points.map((point) => {
    const at = (keep) => total(metrics, "postern_shadow_verdicts_total", (labels) => labels.operating_point === point && keep(labels));
    return say("shadow_point", { point, harmful: at(said("unharmful", "harmful")), unharmful: at(said("harmful", "unharmful")) });
  });
  const by = totalBy(metrics, "postern_shadow_exchanges_total", "outcome");
  const note = say("shadow_note", { dropped: by.get("dropped") ?? 0, failed: by.get("failed") ?? 0, lines: lines.join("; ") });
  return card(say("shadow"), whole(by.get("judged") ?? 0), note);
}

function scores(metrics) {
  const cumulative = buckets(metrics, "postern_probability").filter(([bound]) => bound !== Infinity);
  const counts = cumulative.map(([bound, reached], index) => [bound, reached - (index ? cumulative[index - 1][1] : 0)]);
  const top = Math.max(1, ...counts.map(([, count]) => count));
  const width = 100 / Math.max(1, counts.length);
  const bars = counts.map(([bound, count], index) =>
    svg(
      "rect",
      { x: index * width + width * 0.08, width: width * 0.84, y: 40 - (38 * count) / top, height: (38 * count) / top },
      svg("title", {}, upTo(bound, count)),
    ),
  );
  const said = counts.filter(([, count]) => count).map(([bound, count]) => upTo(bound, count)).join("; ");
  return h(
    "section",
    { class: "card wide" },
    h("h2", {}, say("probabilities")),
    h("p", { class: "quiet" }, say("probabilities_note")),
    svg("svg", { class: "chart", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": said || say("none_yet") }, ...bars),
    h("div", { class: "axis quiet" }, h("span", {}, "0"), h("span", {}, decimal(0.5, 1)), h("span", {}, "1")),
  );
}
