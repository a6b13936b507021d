// A pasted conversation -> messages -> a verdict on every turn.

import { h } from "./dom.js";
import { badge, categories, decidedBy, degraded, language, scale, unsure, worstWindow } from "./verdict.js";
import { decimal, percent, say } from "./words.js";

const SPEAKERS = { user: "user", human: "user", assistant: "assistant", ai: "assistant", bot: "assistant", system: "system" };
const ROLES = new Set(["user", "assistant", "system"]);
const LINE = /^\s*(user|human|assistant|ai|bot|system)\s*:\s?(.*)$/i;

/** The text is no conversation; the message says why. */
export class Unreadable extends Error {}

/** Messages of a pasted text: JSON, or lines that begin with a speaker. Raises Unreadable. */
export function readConversation(text) {
  const trimmed = text.trim();
  if (!trimmed) throw new Unreadable(say("paste_first"));
  return trimmed.startsWith("[") || trimmed.startsWith("{") ? readJson(trimmed) : readLines(text);
}

function readJson(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unreadable(say("json_incomplete"));
  }
  const messages = Array.isArray(value) ? value : value.messages;
  if (!Array.isArray(messages)) throw new Unreadable(say("json_no_messages"));
  return messages.map((message, index) => {
    const content = textOf(message?.content);
    if (typeof message?.role !== "string" || content === null) {
      throw new Unreadable(say("message_needs", { n: index + 1 }));
    }
    return { role: message.role, content };
  });
}

/** A string, or a list of text parts; null for anything else, which the student cannot judge. */
function textOf(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return null;
  const texts = content.map((part) => (part?.type === "text" && typeof part.text === "string" ? part.text : null));
  return texts.includes(null) ? null : texts.join("\n");
}

function readLines(text) {
  const messages = [];
  for (const line of text.split(/\r?\n/)) {
    const found = LINE.exec(line);
    if (found) messages.push({ role: SPEAKERS[found[1].toLowerCase()], content: found[2] });
    else if (messages.length) messages.at(-1).content += `\n${line}`;
    else if (line.trim()) throw new Unreadable(say("first_line"));
  }
  return messages.map(({ role, content }) => ({ role, content: content.trimEnd() }));
}

/** The conversation with its verdicts, and what it comes to. */
export function turnList(reply, messages) {
  const results = new Map(reply.results.map((result) => [result.turn, result]));
  const harmful = reply.results.filter((result) => result.harmful).length;
  const values = { harmful, n: reply.results.length, point: reply.operating_point, ms: decimal(reply.timings_ms.total, 1) };
  return [
    h("p", {}, say(harmful ? "turns_harmful" : "turns_none", values)),
    h("ol", { class: "turns" }, ...messages.map((message, turn) => turnItem(message, turn, results.get(turn)))),
  ];
}

function turnItem(message, turn, result) {
  const name = `${turn + 1}. ${ROLES.has(message.role) ? say(`role_${message.role}`) : message.role}`;
  const verdict = result
    ? [scale(result), categories(result), degraded(result), language(result), unsure(result), worstWindow(result, promptOf(message, result), message.content)]
    : [];
  const classes = ["card", "turn", message.role === "assistant" ? "assistant" : "", result?.harmful ? "harmful" : ""];
  return h(
    "li",
    { class: classes.join(" ") },
    h(
      "div",
      { class: "headline" },
      h("h3", {}, name),
      result ? badge(result) : h("span", { class: "quiet" }, say("not_judged")),
      result ? h("span", {}, percent(result.probability)) : null,
      result ? h("span", { class: "quiet" }, say("decided_by_whom", { by: decidedBy(result) })) : null,
    ),
    h("p", { class: "text" }, message.content),
    ...verdict,
  );
}

/** The prompt that an answer was judged beside is several turns joined: no excerpt is made of it. */
function promptOf(message, result) {
  return result.worst_window?.response ? "" : message.content;
}
