/** Port of app/postern/contract/decision.py and categories.py: probability -> verdict. */
import { GuardError } from "./errors.js";
import { logOddsOf, sigmoid, type Calibration } from "./probability.js";
import type { Slice } from "./text.js";

export interface OperatingPoint {
  readonly threshold: number;
  readonly deferral_band: readonly [number, number];
}

export interface Policy {
  readonly calibration: Readonly<Record<Slice, Calibration>>;
  readonly operating_points: Readonly<Record<string, Readonly<Record<Slice, OperatingPoint>>>>;
  readonly default_operating_point: string;
}

export interface CategoryLabel {
  readonly name: string;
  readonly scale: number;
  readonly bias: number;
  readonly threshold: number;
}

/** A kind of harm. `probability`: that the exchange is harmful in this way. */
export interface Category {
  readonly name: string;
  readonly probability: number;
  readonly applies: boolean;
}

/** The point of that name. `threshold` replaces its own; the band keeps its distance in log-odds. */
export function pointOf(policy: Policy, slice: Slice, name: string, threshold: number | null): OperatingPoint {
  if (!Object.hasOwn(policy.operating_points, name)) {
    const known = Object.keys(policy.operating_points).join(", ");
    throw new GuardError("unknown_operating_point", `the artifact's operating points are ${known}`);
  }
  const point = policy.operating_points[name]![slice];
  if (threshold === null) return point;
  const shift = logOddsOf(threshold) - logOddsOf(point.threshold);
  const [low, high] = point.deferral_band.map((edge) => sigmoid(logOddsOf(edge) + shift)) as [number, number];
  return { threshold, deferral_band: [Math.min(low, threshold), Math.max(high, threshold)] };
}

/** All labels of one exchange, in their order. logits: of the window that decided. */
export function categoriesOf(
  labels: readonly CategoryLabel[],
  logits: ArrayLike<number>,
  probability: number,
  harmful: boolean,
): Category[] {
  return labels.map((label, index) => {
    const share = sigmoid(logits[index]! * label.scale + label.bias);
    return { name: label.name, probability: probability * share, applies: harmful && share >= label.threshold };
  });
}
