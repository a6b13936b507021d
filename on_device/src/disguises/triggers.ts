/** Port of app/postern/disguises/triggers.py: finds disguised exchanges and undoes the disguise. */
import { GuardError } from "../errors.js";
import { segments, type Exchange } from "../text.js";
import { fromReversed, fromRot13 } from "./ciphers.js";
import { fromBase32, fromBinary, fromDecimal, fromEntities, fromPercent } from "./codes.js";
import { fromBase64, fromHex, fromMorse } from "./encodings.js";
import { fromJoined } from "./joined.js";
import { fromLeetspeak, fromLettersApart, fromLookalikes, leetIsClear, wordsAreClear } from "./lettering.js";
import { fromMisspelt, fromZeros, slipsAreClear } from "./misspelt.js";
import { fromStretched, stretchIsClear } from "./stretched.js";
import { fromVowelsDropped } from "./vowels.js";

type Undo = (text: string) => string | null;

// In the order of undoing: letters first, so that what they spell can be decoded.
const UNDO: ReadonlyArray<readonly [string, Undo]> = [
  ["unicode", fromLookalikes],
  ["entities", fromEntities],
  ["percent", fromPercent],
  ["letters_apart", fromLettersApart],
  ["stretched", fromStretched],
  ["base32", fromBase32],
  ["base64", fromBase64],
  ["hex", fromHex],
  ["binary", fromBinary],
  ["decimal", fromDecimal],
  ["morse", fromMorse],
  ["rot13", fromRot13],
  ["reversed", fromReversed],
  ["leetspeak", fromLeetspeak],
  ["zeros", fromZeros],
  ["joined", fromJoined],
  ["vowels_dropped", fromVowelsDropped],
  ["misspelt", fromMisspelt],
];
const UNCERTAIN: ReadonlySet<string> = new Set(["rot13", "reversed"]);
const CLEAR: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["letters_apart", wordsAreClear],
  ["stretched", stretchIsClear],
  ["leetspeak", leetIsClear],
]);
const STRICT: ReadonlyMap<string, Undo> = new Map([
  ["base32", (text) => fromBase32(text, true)],
  ["base64", (text) => fromBase64(text, true)],
  ["hex", (text) => fromHex(text, true)],
  ["binary", (text) => fromBinary(text, true)],
]);
const LAYERS = 3;

export interface Disguise {
  readonly triggers: readonly string[];
  readonly decoded: Exchange;
  /** The text can mean nothing but the decoded text, so only that is judged. */
  readonly certain: boolean;
}

/** The disguise of an exchange; null if nothing looks disguised. */
export function readableDisguise(exchange: Exchange): Disguise | null {
  const fired = new Map<string, boolean>();
  const prompt = undisguised(exchange.prompt, fired);
  const response = exchange.response === null ? null : undisguised(exchange.response, fired);
  if (fired.size === 0) return null;
  const triggers = [...fired.keys()];
  const decoded = { prompt, response };
  try {
    segments(decoded);
  } catch (thrown) {
    if (thrown instanceof GuardError && thrown.code === "empty_prompt") {
      return { triggers, decoded: exchange, certain: false };
    }
    throw thrown;
  }
  return { triggers, decoded, certain: [...fired.values()].every(Boolean) };
}

/** Segments to score besides those of the original text; null if they are equal. */
export function secondReading(texts: readonly string[], disguise: Disguise | null): string[] | null {
  if (disguise === null) return null;
  const decoded = segments(disguise.decoded);
  return decoded.length === texts.length && decoded.every((text, i) => text === texts[i]) ? null : decoded;
}

function undisguised(text: string, fired: Map<string, boolean>): string {
  let current = text;
  for (let layer = 0; layer < LAYERS; layer++) {
    const before = current;
    for (const [trigger, undo] of UNDO) {
      const decoded = undo(current);
      if (decoded === null) continue;
      fired.set(trigger, (fired.get(trigger) ?? true) && isClear(trigger, current, decoded));
      current = decoded;
    }
    if (current === before) break;
  }
  return current;
}

function isClear(trigger: string, text: string, decoded: string): boolean {
  if (trigger === "misspelt") return slipsAreClear(text, decoded);
  const strict = STRICT.get(trigger);
  if (strict !== undefined) return strict(text) === decoded;
  return !UNCERTAIN.has(trigger) && (CLEAR.get(trigger)?.(text) ?? true);
}
