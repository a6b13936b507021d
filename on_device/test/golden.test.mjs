// Python's answers in golden/cases.json, given again by TypeScript.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answer, ARTIFACT, IDENTIFIER, shippedReader, shippedWindows } from "./answers.mjs";
import { harmfulProbability } from "../dist/probability.js";
import { categoriesOf, pointOf } from "../dist/decision.js";
import { parseManifest } from "../dist/manifest.js";

const golden = JSON.parse(readFileSync(new URL("../golden/cases.json", import.meta.url), "utf8"));
const manifest = parseManifest(readFileSync(new URL("manifest.json", ARTIFACT)));

// The last bits of exp and log1p differ between numpy and JavaScript.
function close(found, expected) {
  assert.ok(Math.abs(found - expected) <= 1e-12, `${found} is not ${expected}`);
}

test("segments, windows, disguises, scripts and language of every text", () => {
  const [windows, reader] = [shippedWindows(), shippedReader()];
  assert.ok(golden.texts.length > 100);
  const seen = new Set();
  const languages = new Set();
  for (const [prompt, response, expected] of golden.texts) {
    const found = JSON.parse(JSON.stringify(answer(windows, reader, prompt, response)));
    assert.deepEqual(found, expected);
    for (const trigger of expected.triggers ?? []) seen.add(trigger);
    if (expected.encoding?.windows.length > 1) seen.add("several windows");
    if (expected.error !== undefined) seen.add(expected.error);
    else if (expected.reading !== null) languages.add(expected.reading.join(" "));
  }
  // A table of cases in which something never happens would prove nothing about it.
  for (const name of ["unicode", "entities", "percent", "letters_apart", "stretched", "base32", "base64", "hex", "binary", "decimal", "morse", "rot13", "reversed", "leetspeak", "joined", "several windows", "empty_prompt", "text_not_unicode"]) {
    assert.ok(seen.has(name), `no case with ${name}`);
  }
  for (const name of ["en true", "und true", "und false", "es false", "hi false", "zh false"]) assert.ok(languages.has(name), name);
  assert.ok(languages.size > 50);
});

test("probabilities of languages", () => {
  assert.ok(golden.shares.length > 80);
  for (const { text, shares } of golden.shares) {
    const found = IDENTIFIER.shares(text);
    for (const [code, share] of Object.entries(shares)) {
      assert.ok(Math.abs(found.get(code) / share - 1) < 1e-8, `${code}: ${found.get(code)} is not ${share}`);
    }
    for (const [code, share] of found) assert.ok(share < 1.0001e-3 || code in shares, code);
  }
});

test("calibrated probabilities", () => {
  for (const { calibration, margins, probabilities } of golden.probabilities) {
    const read = { temperature_unharmful: null, ...calibration };
    margins.forEach((margin, i) => close(harmfulProbability(margin, read), probabilities[i]));
  }
});

test("operating points, moved or not, and their verdicts", () => {
  for (const one of golden.verdicts) {
    const point = pointOf(manifest.policy, one.slice, one.operating_point, one.asked);
    close(point.threshold, one.threshold);
    one.deferral_band.forEach((edge, i) => close(point.deferral_band[i], edge));
    one.probabilities.forEach((p, i) => assert.equal(p >= point.threshold, one.harmful[i]));
  }
});

test("categories", () => {
  assert.ok(golden.categories.length > 0);
  for (const { logits, harmful, probabilities, applies } of golden.categories) {
    const found = categoriesOf(manifest.labels, logits, 0.8, harmful);
    found.forEach((one, i) => {
      close(one.probability, probabilities[i]);
      assert.equal(one.applies, applies[i]);
    });
  }
});
