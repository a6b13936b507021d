/** Port of app/postern/languages/scripts.py: scripts that a text holds enough of to be read. */
import { SCRIPTS } from "./tables.js";
import { D, isAscii, W } from "./unicode.js";

type Script = (typeof SCRIPTS)[number];

export interface Found {
  readonly name: string;
  readonly languages: readonly string[];
  readonly letters: number;
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
    const letters = (script.look_alike ? wholeWords(script, text) : count) * script.letter_weight;
    if (letters >= LEAST_LETTERS) found.push({ name: script.name, languages: script.languages, letters });
  }
  let latin = 0;
  for (const [block, held] of blocks) if (block < LATIN_BLOCKS) latin += held;
  return [found, latin >= LEAST_LETTERS];
}

/** Letters of whole words: a look-alike inside a Latin word is not the script. */
function wholeWords(script: Script, text: string): number {
  const inside = script.blocks
    .map(([first, last]) => `\\u{${first!.toString(16)}}-\\u{${last!.toString(16)}}`)
    .join("");
  const letter = `(?![${D}_])[${W}]`;
  const runs = text.match(new RegExp(`(?<!${letter})[${inside}]{2,}(?!${letter})`, "gu")) ?? [];
  return runs.reduce((sum, run) => sum + run.length, 0);
}
