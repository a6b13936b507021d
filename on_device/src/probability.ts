/** Port of app/postern/contract/probability.py: margin -> calibrated probability. */

/** p = sigmoid(margin / temperature + bias), or beta calibration with `temperature_unharmful`. */
export interface Calibration {
  readonly temperature: number;
  readonly bias: number;
  readonly temperature_unharmful: number | null;
}

const LEAST_PROBABILITY = 1e-9;

export function sigmoid(logOdds: number): number {
  const small = Math.exp(-Math.abs(logOdds));
  return logOdds >= 0 ? 1 / (1 + small) : small / (1 + small);
}

/** In nats, clipped near 0 and 1. */
export function logOddsOf(probability: number): number {
  const inside = Math.min(Math.max(probability, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY);
  return Math.log(inside) - Math.log1p(-inside);
}

function softplus(value: number): number {
  return Math.max(0, value) + Math.log1p(Math.exp(-Math.abs(value)));
}

/** Rises with the margin. margin: harmful minus unharmful logit, in nats. */
export function harmfulProbability(margin: number, calibration: Calibration): number {
  const { temperature, bias, temperature_unharmful: unharmful } = calibration;
  if (unharmful === null) return sigmoid(margin / temperature + bias);
  return sigmoid(softplus(margin) / temperature - softplus(-margin) / unharmful + bias);
}
