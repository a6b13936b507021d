// The page of the example: it shows what judged.js lets through.

import { Guard } from "/on_device/index.js";
import { chatCompletion, judgedAnswer } from "./judged.js";

const byId = (id) => document.getElementById(id);
const button = document.querySelector("#ask button");
const MODEL = new URLSearchParams(location.search).get("model") ?? "default";

function turn(kind, text) {
  const item = Object.assign(document.createElement("li"), { className: kind, textContent: text });
  byId("turns").append(item);
  return item;
}

try {
  const guard = await Guard.load("/artifact/", { offline: true });
  byId("status").textContent = `Judged by ${guard.model.name} ${guard.model.version} on this device.`;
  button.disabled = false;
  byId("ask").addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const prompt = byId("message").value;
    turn("user", prompt);
    const item = turn("assistant", "");
    try {
      const stream = (text, signal) => chatCompletion("/v1/chat/completions", MODEL, text, signal);
      for await (const part of judgedAnswer(guard, prompt, stream)) item.textContent += part;
      byId("message").value = "";
    } catch (error) {
      // What was shown before was judged; nothing of the rest is.
      turn("blocked", error.message);
    } finally {
      button.disabled = false;
    }
  });
} catch (error) {
  byId("status").textContent = `This browser cannot judge, so there is no chat: ${error.message}.`;
}
