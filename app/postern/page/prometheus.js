// Prometheus text format -> samples, and what is computed from them. Pure.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };
const NUMBERS = { "+Inf": Infinity, "-Inf": -Infinity };

/** Samples of every metric: name -> [{labels, value}]. Lines that are none are passed over. */
export function parseMetrics(text) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(LABEL)) {
      labels[name] = value.replace(/\\[n"\\]/g, (pair) => ESCAPES[pair]);
    }
    const samples = metrics.get(found[1]) ?? [];
    samples.push({ labels, value: NUMBERS[found[3]] ?? Number(found[3]) });
    metrics.set(found[1], samples);
  }
  return metrics;
}

/** Sum over the samples of a metric that `keep` lets through; 0 where there is none yet. */
export function total(metrics, name, keep = () => true) {
  return (metrics.get(name) ?? []).reduce((sum, { labels, value }) => (keep(labels) ? sum + value : sum), 0);
}

/** Sums by the value of a label, in order of first appearance. */
export function totalBy(metrics, name, label) {
  const sums = new Map();
  for (const { labels, value } of metrics.get(name) ?? []) sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
  return sums;
}

/** Cumulative buckets of a histogram, [[upper bound, count], …], summed over what `keep` allows. */
export function buckets(metrics, name, keep = () => true) {
  const sums = new Map();
  for (const { labels, value } of metrics.get(`${name}_bucket`) ?? []) {
    if (!keep(labels)) continue;
    const bound = NUMBERS[labels.le] ?? Number(labels.le);
    sums.set(bound, (sums.get(bound) ?? 0) + value);
  }
  return [...sums].sort(([a], [b]) => a - b);
}

/** What came between two states of the same histogram; all of `later` where there is no earlier. */
export function since(later, earlier) {
  const before = new Map(earlier);
  return later.map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]);
}

/** As histogram_quantile of Prometheus: linear inside a bucket; null without observations. */
export function quantile(share, cumulative) {
  const count = cumulative.at(-1)?.[1] ?? 0;
  if (!(count > 0)) return null;
  const rank = share * count;
  const index = cumulative.findIndex(([, upTo]) => upTo >= rank);
  const [bound, upTo] = cumulative[index];
  const [lower, below] = index ? cumulative[index - 1] : [0, 0];
  if (bound === Infinity) return lower;
  return upTo === below ? bound : lower + ((bound - lower) * (rank - below)) / (upTo - below);
}
