// Copies the two libraries into dist/vendor and lets dist import them from there, so that a page
// needs no bundler and no import map, which workers would not read anyway. Python made what `data` holds.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const VENDOR = {
  "onnxruntime-web/wasm": "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
  "@huggingface/tokenizers": "@huggingface/tokenizers/dist/tokenizers.min.mjs",
};
const RUNTIME = "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm";
// Served as text/javascript everywhere, which .mjs is not.
const nameOf = (path) => path.split("/").at(-1).replace(/\.mjs$/, ".js");

mkdirSync("dist/vendor", { recursive: true });
for (const path of [...Object.values(VENDOR), RUNTIME]) {
  const content = readFileSync(`node_modules/${path}`);
  // Maps are not shipped, so nothing may ask for them.
  const shipped = path.endsWith(".mjs") ? content.toString("utf8").replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n") : content;
  writeFileSync(`dist/vendor/${nameOf(path)}`, shipped);
}
for (const name of ["languages.bin", "LICENSE.py3langid"]) copyFileSync(`data/${name}`, `dist/${name}`);
for (const [from, to] of [["onnxruntime-web/LICENSE", "onnxruntime-web"], ["@huggingface/tokenizers/LICENSE", "tokenizers"]]) {
  try {
    copyFileSync(`node_modules/${from}`, `dist/vendor/LICENSE.${to}`);
  } catch {
    // a package without the file names its licence in package.json
  }
}
for (const name of readdirSync("dist")) {
  if (!name.endsWith(".js")) continue;
  let text = readFileSync(`dist/${name}`, "utf8");
  for (const [specifier, path] of Object.entries(VENDOR)) {
    text = text.replaceAll(`from "${specifier}"`, `from "./vendor/${nameOf(path)}"`);
  }
  writeFileSync(`dist/${name}`, text);
}
