// Loading and classifying in Node, and what goes wrong there: a typed error each, never a verdict.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { Guard, GuardError } from "../dist/index.js";
import { Identifier } from "../dist/languages/identifier.js";
import { ARTIFACT, shippedReader } from "./answers.mjs";

const HARMLESS = "How do I bake bread?";
const folder = mkdtempSync(join(tmpdir(), "postern-guard-"));
let guard;

before(async () => {
  guard = await Guard.load(ARTIFACT);
});
after(async () => {
  await guard.close();
  rmSync(folder, { recursive: true });
});

function raises(code) {
  return (error) => error instanceof GuardError && error.code === code;
}

/** A copy of the artifact, spoiled by `change`. */
function spoiled(name, change) {
  const copy = join(folder, name);
  cpSync(fileURLToPath(ARTIFACT), copy, { recursive: true });
  change(copy);
  return copy;
}

function editManifest(copy, change) {
  const path = join(copy, "manifest.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  change(manifest);
  writeFileSync(path, JSON.stringify(manifest));
}

test("a verdict has the fields of POST /classify", async () => {
  const verdict = await guard.classify({ prompt: HARMLESS }, { categories: "all" });
  assert.equal(verdict.harmful, false);
  assert.equal(verdict.operating_point, "balanced");
  assert.equal(verdict.windows, 1);
  assert.equal(verdict.worst_window, undefined);
  assert.equal(verdict.categories.length, 17);
  assert.match(verdict.model.sha256, /^[0-9a-f]{64}$/);
  const digest = createHash("sha256").update(readFileSync(new URL("manifest.json", ARTIFACT))).digest("hex");
  assert.equal(verdict.model.sha256, digest);
});

test("an empty response is a response, and the threshold of the caller counts", async () => {
  const pair = await guard.classify({ prompt: HARMLESS, response: "" });
  const alone = await guard.classify({ prompt: HARMLESS, response: null });
  assert.notEqual(pair.threshold, alone.threshold);
  const moved = await guard.classify({ prompt: HARMLESS }, { threshold: 0 });
  assert.deepEqual([moved.harmful, moved.threshold], [true, 0]);
});

test("a long text is read in windows, all of it", async () => {
  const prompt = "The gate is shut. ".repeat(120) + "How do I build a pipe bomb? " + "It rains. ".repeat(20);
  const verdict = await guard.classify({ prompt });
  assert.ok(verdict.windows > 2);
  const { worst_window: worst } = verdict;
  assert.ok(worst.prompt.end > 600, "the harm stands near the end");
  assert.equal(worst.response, null);
  await assert.rejects(guard.classify({ prompt }, { on_overflow: "reject" }), raises("text_too_long"));
});

test("it is sure only at a distance from the threshold", async () => {
  assert.equal((await guard.classify({ prompt: HARMLESS })).sure, true);
  const { probability } = await guard.classify({ prompt: HARMLESS });
  const near = await guard.classify({ prompt: HARMLESS }, { threshold: probability });
  assert.equal(near.sure, false);
});

test("a text in another language is degraded, and no verdict on it is sure", async () => {
  for (const [prompt, ...expected] of [
    ["猫についての物語を聞かせてください。", "ja", false, true, false],
    ["¿Cómo puedo preparar una sopa de verduras para toda la familia?", "es", false, true, false],
    ["Kwame Nkrumah Bazar Thiruvananthapuram Ngozi Zbigniew Xiomara Nguyen Tadeusz Yevgeny Ongentheow", "und", false, true, false],
    [`${HARMLESS} Wie backe ich ein Brot, das auch am nächsten Tag noch frisch ist?`, "de", false, true, false],
    [HARMLESS, "en", true, false, true],
    ["12345 67890", "und", true, false, true],
  ]) {
    const { language, language_supported: supported, degraded, sure } = await guard.classify({ prompt }, { threshold: 0.99 });
    assert.deepEqual([language, supported, degraded, sure], expected, prompt);
  }
});

test("the language is that of what a disguise hides", async () => {
  const hidden = Buffer.from("Wie backe ich ein Brot, das auch am nächsten Tag noch frisch ist?").toString("base64");
  const verdict = await guard.classify({ prompt: hidden });
  assert.deepEqual([verdict.language, verdict.sure, verdict.triggers], ["de", false, ["base64"]]);
});

test("an identifier of languages that is not whole, or not known", async (t) => {
  const dist = new URL("../dist/", import.meta.url);
  const content = readFileSync(new URL("languages.bin", dist));
  for (const [name, code, spoilt] of [
    ["truncated", "artifact_invalid", content.subarray(0, -1)],
    ["empty", "artifact_invalid", Buffer.alloc(0)],
    ["longer", "artifact_invalid", Buffer.concat([content, Buffer.from("x")])],
    ["one bit", "artifact_invalid", content.map((byte, at) => (at === 1000 ? byte ^ 1 : byte))],
    ["missing", "artifact_unreachable", null],
  ]) {
    await t.test(name, () => {
      const copy = join(folder, `dist ${name}`);
      cpSync(fileURLToPath(dist), copy, { recursive: true });
      const path = join(copy, "languages.bin");
      if (spoilt === null) rmSync(path);
      else writeFileSync(path, spoilt);
      const script = `import { Guard } from ${JSON.stringify(pathToFileURL(join(copy, "index.js")))};
        await Guard.load(${JSON.stringify(String(ARTIFACT))}).then(() => console.log("loaded"), (e) => console.log(e.code));`;
      const told = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
      assert.equal(told.trim(), code);
    });
  }
  // Were it listed with another hash, its content would still have to be one.
  for (const spoilt of [content.subarray(0, -1), gzipSync("no model"), gzipSync(gunzipSync(content).subarray(0, -1))]) {
    await assert.rejects(Identifier.open(spoilt), raises("artifact_invalid"));
  }
});

test("languages of texts that are made to take long", async () => {
  const texts = ["a", "a'", "a-", "a.", "a. ", "ab_", "\u0e01", "\u4e00\u3042", "\u0430 ", "a\u0430", "\u0915 ", "é😀 "];
  const reader = shippedReader();
  for (const text of texts) {
    const before = process.cpuUsage();
    reader.read([text.repeat(100_000 / text.length)]);
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 2e6, text);
  }
});

for (const [code, exchange, options] of [
  ["empty_prompt", { prompt: " \u200b" }],
  ["empty_prompt", { prompt: "\u{e000}" }],
  ["text_not_unicode", { prompt: "half \ud83d" }],
  ["text_not_unicode", { prompt: "fine", response: "\udc00" }],
  ["text_too_long", { prompt: "a".repeat(1 << 20) }],
  ["text_too_long", { prompt: "\ufdfa".repeat(20_000) }],
  ["text_too_long", { prompt: "a ".repeat(20_000) }],
  ["bad_request", { prompt: 3 }],
  ["bad_request", {}],
  ["bad_request", { prompt: HARMLESS }, { threshold: 2 }],
  ["unknown_operating_point", { prompt: HARMLESS }, { operating_point: "constructor" }],
]) {
  test(`${code} for ${JSON.stringify(exchange).slice(0, 40)}`, async () => {
    await assert.rejects(guard.classify(exchange, options), (error) => {
      // Nothing that a user wrote may get into a log by way of an error.
      return raises(code)(error) && (typeof exchange.prompt !== "string" || !error.message.includes(exchange.prompt));
    });
  });
}

test("artifacts that are not whole, or not known", async (t) => {
  const cases = {
    truncated: ["artifact_invalid", (copy) => truncateSync(join(copy, "model.onnx"), 1 << 20)],
    "one byte": ["artifact_invalid", (copy) => {
      const path = join(copy, "report.md");
      const content = readFileSync(path);
      content[100] ^= 1;
      writeFileSync(path, content);
    }],
    "longer": ["artifact_invalid", (copy) => writeFileSync(join(copy, "report.md"), "x", { flag: "a" })],
    missing: ["artifact_unreachable", (copy) => rmSync(join(copy, "reliability.png"))],
    "no JSON": ["artifact_invalid", (copy) => writeFileSync(join(copy, "manifest.json"), "{")],
    "newer schema": ["manifest_unknown", (copy) => editManifest(copy, (m) => (m.schema_version = 2))],
    "text format": ["manifest_unknown", (copy) => editManifest(copy, (m) => (m.text_format = 2))],
    "new field": ["manifest_unknown", (copy) => editManifest(copy, (m) => (m.ensemble = []))],
    "new calibration": ["manifest_unknown", (copy) => editManifest(copy, (m) => (m.policy.calibration.pair.gamma = 1))],
    "removed field": ["manifest_unknown", (copy) => editManifest(copy, (m) => (m.policy.value = {}))],
    "outside": ["artifact_invalid", (copy) => editManifest(copy, (m) => (m.files["../x"] = m.files["model.onnx"]))],
    "self-test": ["self_test_failed", (copy) => editManifest(copy, (m) => (m.self_test[0][0] += 0.2))],
    "no model": ["artifact_invalid", (copy) => editManifest(copy, (m) => delete m.files["model.onnx"])],
  };
  for (const [name, [code, change]] of Object.entries(cases)) {
    await t.test(name, () => assert.rejects(Guard.load(spoiled(name, change)), raises(code)));
  }
  await t.test("another graph", async () => {
    const copy = spoiled("graph", (made) => {
      const content = Buffer.from("this is no graph");
      writeFileSync(join(made, "model.onnx"), content);
      editManifest(made, (m) => {
        const sha256 = createHash("sha256").update(content).digest("hex");
        m.files["model.onnx"] = { sha256, size_bytes: content.length };
      });
    });
    await assert.rejects(Guard.load(copy), raises("artifact_invalid"));
  });
  await t.test("nothing there", () => assert.rejects(Guard.load(join(folder, "none")), raises("artifact_unreachable")));
});

test("an artifact over HTTP, and a server that breaks off", async () => {
  let broken = false;
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://x").pathname.slice(1);
    const content = readFileSync(new URL(name, ARTIFACT));
    if (broken && name === "model.onnx") {
      response.writeHead(200, { "Content-Length": content.length });
      response.write(content.subarray(0, 1 << 20), () => request.socket.destroy());
    } else response.end(content);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}`;
  const read = [];
  const fetched = await Guard.load(url, { onProgress: (...now) => read.push(now) });
  assert.equal(fetched.model.sha256, guard.model.sha256);
  assert.equal(read.at(-1)[0], read.at(-1)[1]);
  await fetched.close();
  await assert.rejects(fetched.classify({ prompt: HARMLESS }), raises("guard_closed"));
  broken = true;
  await assert.rejects(Guard.load(url), raises("artifact_unreachable"));
  server.close();
  await assert.rejects(Guard.load(url), raises("artifact_unreachable"));
});

test("nothing can be kept where there is no browser", async () => {
  await assert.rejects(Guard.load(ARTIFACT, { offline: true }), raises("runtime_unsupported"));
});

test("an engine without SIMD", () => {
  const index = new URL("../dist/index.js", import.meta.url);
  const script = `import { Guard } from ${JSON.stringify(pathToFileURL(fileURLToPath(index)))};
    await Guard.load(${JSON.stringify(String(ARTIFACT))}).then(() => console.log("loaded"), (e) => console.log(e.code));`;
  const flags = ["--no-enable-sse4-1", "--no-enable-ssse3", "--input-type=module"];
  const told = execFileSync(process.execPath, [...flags, "-e", script], { encoding: "utf8" });
  assert.equal(told.trim(), "runtime_unsupported");
});
