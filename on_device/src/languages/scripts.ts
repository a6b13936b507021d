/** Port of app/postern/languages/scripts.py: scripts that a text holds enough of to be read. */
import { SCRIPTS } from "../tables.js";
import { D, isAscii, W } from "../unicode.js";

type Script = (typeof SCRIPTS)[number];

export interface Found {
  readonly name: string;
  readonly languages: readonly string[];
  readonly letters: number;
  /** What is written in it, where that is needed to tell the language. */
  readonly words: string;
}

const BLOCK_BITS = 6;
const LEAST_LETTERS = 12;
const HAN_PER_KANA = 10;
const LATIN_BLOCKS = 0x250 >> BLOCK_BITS;

/** The scripts, and whether Latin may be one of them. */
export function scriptsOf(text: string): [Found[], boolean] {
  if (isAscii(text)) return [[], true];
  const blocks = new Map<number, number>();
  let highest = 0;
  for (const char of text) {
    const block = char.codePointAt(0)! >> BLOCK_BITS;
    blocks.set(block, (blocks.get(block) ?? 0) + 1);
    highest = Math.max(highest, block);
  }
  const counts = new Map<Script, number>();
  for (const script of SCRIPTS) {
    if (highest < script.blocks[0]![0]! >> BLOCK_BITS) continue;
    let count = 0;
    for (const [block, held] of blocks) {
      if (script.blocks.some(([first, last]) => first! >> BLOCK_BITS <= block && block <= last! >> BLOCK_BITS)) count += held;
    }
    counts.set(script, count);
  }
  const named = new Map([...counts.keys()].map((script) => [script.name, script]));
  const kana = named.get("kana");
  const han = named.get("han");
  if (kana !== undefined && han !== undefined && counts.get(kana)! * HAN_PER_KANA >= counts.get(han)!) {
    counts.set(kana, counts.get(kana)! + counts.get(han)!);
    counts.delete(han);
  }
  const found: Found[] = [];
  for (const [script, count] of counts) {
    if (count * script.letter_weight < LEAST_LETTERS) continue;
    const one = foundIn(script, count, text);
    if (one.letters >= LEAST_LETTERS) found.push(one);
  }
  let latin = 0;
  for (const [block, held] of blocks) if (block < LATIN_BLOCKS) latin += held;
  return [found, latin >= LEAST_LETTERS];
}

function foundIn(script: Script, count: number, text: string): Found {
  const { name, languages, letter_weight: weight, look_alike: lookAlike } = script;
  if (!lookAlike && languages.length === 1) return { name, languages, letters: count * weight, words: "" };
  const runs = text.match(runsOf(script)) ?? [];
  // These scripts have one unit a character. A look-alike inside a Latin word is not the script.
  const letters = lookAlike ? runs.reduce((sum, run) => sum + run.length, 0) : count;
  return { name, languages, letters: letters * weight, words: runs.join(" ") };
}

function runsOf(script: Script): RegExp {
  const inside = script.blocks
    .map(([first, last]) => `\\u{${first!.toString(16)}}-\\u{${last!.toString(16)}}`)
    .join("");
  const letter = `(?![${D}_])[${W}]`;
  return new RegExp(script.look_alike ? `(?<!${letter})[${inside}]{2,}(?!${letter})` : `[${inside}]+`, "gu");
}
