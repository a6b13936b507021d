// The tab of live figures: polls /metrics while it is looked at.

import { call, explain } from "./api.js";
import { byId, h, percent, svg } from "./dom.js";
import { buckets, parseMetrics, quantile, since, total, totalBy } from "./prometheus.js";

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
      byId("figures-status").textContent = paused ? "Paused." : `Read every ${EVERY_MS / 1000} s while this tab is open.`;
    } catch (error) {
      byId("figures-error").textContent = explain(error);
      byId("figures-status").textContent = "The figures below, if any, are no longer live.";
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
    byId("figures-status").textContent = paused ? "Paused." : "";
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
  const rate = elapsedS ? ((answered(last) - answered(first)) / elapsedS).toFixed(1) : "…";
  const rates = states.slice(1).map((state, index) => {
    const before = states[index];
    return (answered(state) - answered(before)) / ((state.at - before.at) / 1000);
  });
  return card("Requests per second", rate, `mean of the last minute; ${answered(last)} since the start`, line(rates));
}

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
    [0.5, "Latency, median (p50)"],
    [0.95, "Latency, slowest twentieth (p95)"],
  ].map(([share, title]) => {
    const seconds = quantile(share, recent);
    return card(title, seconds === null ? "–" : `${(seconds * 1000).toPrecision(3)} ms`, "requests of the last minute, from buckets");
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
  return card("Verdicts", String(all), all ? `${harmful} harmful (${percent(share)}), ${all - harmful} not` : "none yet", bar);
}

function deferrals(metrics) {
  const by = totalBy(metrics, "postern_verdicts_total", "decided_by");
  const all = [...by.values()].reduce((sum, value) => sum + value, 0);
  const deferred = all - (by.get("student") ?? 0);
  const lost = total(metrics, "postern_degraded_total");
  return card("Deferred to a teacher", String(deferred), `${all ? percent(deferred / all) : "0 %"} of the verdicts; ${lost} degraded`);
}

function refusals(metrics) {
  const by = [...totalBy(metrics, "postern_rejected_total", "reason")].sort(([, a], [, b]) => b - a);
  const all = by.reduce((sum, [, value]) => sum + value, 0);
  const note = by.slice(0, 4).map(([reason, value]) => `${reason}: ${value}`).join(", ");
  return card("Refused", String(all), note || "none");
}

/** Nothing where every route enforces. */
function audited(metrics) {
  if (!metrics.has("postern_audited_total")) return null;
  const by = totalBy(metrics, "postern_audited_total", "outcome");
  const all = [...by.values()].reduce((sum, value) => sum + value, 0);
  const prompts = by.get("blocked_prompt") ?? 0;
  const responses = by.get("blocked_response") ?? 0;
  const share = all ? percent((prompts + responses) / all) : "0 %";
  const note = `${share} of ${all} in audit mode: ${prompts} prompts, ${responses} answers; ${by.get("failed") ?? 0} without a verdict`;
  return card("Would have been blocked", String(prompts + responses), note);
}

/** Nothing where no student is tried. */
function shadow(metrics) {
  if (!metrics.has("postern_shadow_verdicts_total")) return null;
  const said = (student, tried) => (labels) => labels.student === student && labels.shadow === tried;
  const points = [...totalBy(metrics, "postern_shadow_verdicts_total", "operating_point").keys()];
  const lines = points.map((point) => {
    const at = (keep) => total(metrics, "postern_shadow_verdicts_total", (labels) => labels.operating_point === point && keep(labels));
    return `${point}: ${at(said("unharmful", "harmful"))} to harmful, ${at(said("harmful", "unharmful"))} to unharmful`;
  });
  const by = totalBy(metrics, "postern_shadow_exchanges_total", "outcome");
  const note = `exchanges judged by student and shadow; ${by.get("dropped") ?? 0} dropped, ${by.get("failed") ?? 0} failed. Would change: ${lines.join("; ")}`;
  return card("In the shadow", String(by.get("judged") ?? 0), note);
}

function scores(metrics) {
  const cumulative = buckets(metrics, "postern_probability").filter(([bound]) => bound !== Infinity);
  const counts = cumulative.map(([bound, upTo], index) => [bound, upTo - (index ? cumulative[index - 1][1] : 0)]);
  const top = Math.max(1, ...counts.map(([, count]) => count));
  const width = 100 / Math.max(1, counts.length);
  const bars = counts.map(([bound, count], index) =>
    svg(
      "rect",
      { x: index * width + width * 0.08, width: width * 0.84, y: 40 - (38 * count) / top, height: (38 * count) / top },
      svg("title", {}, `up to ${bound}: ${count}`),
    ),
  );
  const said = counts.filter(([, count]) => count).map(([bound, count]) => `up to ${bound}: ${count}`).join("; ");
  return h(
    "section",
    { class: "card wide" },
    h("h2", {}, "Probabilities"),
    h("p", { class: "quiet" }, "exchanges by their calibrated probability of harm, since the start"),
    svg("svg", { class: "chart", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": said || "none yet" }, ...bars),
    h("div", { class: "axis quiet" }, h("span", {}, "0"), h("span", {}, "0.5"), h("span", {}, "1")),
  );
}
