// What TypeScript makes of an exchange, in the shape of scripts/on_device/answers.py.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { BertTokenizer } from "../dist/wordpiece.js";
import { Windows } from "../dist/windows.js";
import { expandedLength, segments } from "../dist/text.js";
import { isWellFormed } from "../dist/unicode.js";
import { readableDisguise, secondReading } from "../dist/disguises/triggers.js";
import { Identifier } from "../dist/languages/identifier.js";
import { LanguageReader } from "../dist/languages/reader.js";
import { scriptsOf } from "../dist/languages/scripts.js";

export const ARTIFACT = new URL("../../artifacts/postern-minilm/2.0.0/", import.meta.url);

export function shippedWindows() {
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", ARTIFACT), "utf8"));
  return new Windows(new BertTokenizer(readFileSync(new URL("tokenizer.json", ARTIFACT))), {
    windowTokens: manifest.window_tokens,
    overlapTokens: manifest.overlap_tokens,
  });
}

export const IDENTIFIER = await Identifier.open(readFileSync(new URL("../dist/languages.bin", import.meta.url)));

export function shippedReader() {
  const { languages = ["en"] } = JSON.parse(readFileSync(new URL("manifest.json", ARTIFACT), "utf8"));
  return new LanguageReader(IDENTIFIER, languages);
}

export function answer(windows, reader, prompt, response) {
  const texts = response === null ? [prompt] : [prompt, response];
  if (!texts.every(isWellFormed)) return { error: "text_not_unicode" };
  const exchange = { prompt, response };
  let plain;
  try {
    plain = segments(exchange);
  } catch (error) {
    return { error: error.code };
  }
  const disguise = readableDisguise(exchange);
  const second = secondReading(plain, disguise);
  const { language, supported, clear } = reader.read(second ?? plain);
  return {
    segments: plain,
    expanded: texts.map((text) => expandedLength(text)),
    encoding: written(windows.encode(plain)),
    scripts: (second ?? plain).map((text) => {
      const [found, latin] = scriptsOf(text);
      return [...found.map((one) => [one.name, one.letters.toFixed(1)]), ["latin", latin]];
    }),
    reading: clear ? [language, supported] : null,
    ...(disguise === null
      ? {}
      : {
          triggers: disguise.triggers,
          certain: disguise.certain,
          decoded: [disguise.decoded.prompt, disguise.decoded.response],
        }),
    ...(second === null ? {} : { second: written(windows.encode(second)) }),
  };
}

function written(encoding) {
  return {
    tokens: encoding.tokens,
    prompt_tokens: encoding.promptTokens,
    spans: encoding.spans,
    windows: encoding.windows.map((one) => [one.ids, one.typeIds]),
  };
}

// As Python's json.dumps(sort_keys=True, ensure_ascii=True, separators=(",", ":")).
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const parts = Object.keys(value).sort().map((key) => `${canonical(key)}:${canonical(value[key])}`);
    return `{${parts.join(",")}}`;
  }
  return JSON.stringify(value).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export function digest(found) {
  return createHash("sha256").update(canonical(found)).digest("hex").slice(0, 16);
}
