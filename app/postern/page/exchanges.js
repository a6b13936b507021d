// The body of `POST /classify` -> the exchanges that are judged, as the server reads it.

import { NotJudged } from "./api.js";
import { say } from "./words.js";

/** {prompt, response, turn?} of each exchange. Raises NotJudged where there is nothing to judge. */
export function exchangesOf(body) {
  if (body.inputs) return body.inputs.map(({ prompt, response = null }) => ({ prompt, response }));
  if (!body.messages) return [{ prompt: body.prompt, response: body.response ?? null }];
  const judged = [];
  let asked = [];
  let answered = false;
  body.messages.forEach(({ role, content }, turn) => {
    if (role === "user") {
      if (answered) [asked, answered] = [[], false];
      asked.push(content);
      judged.push({ turn, prompt: content, response: null });
    } else if (role === "assistant") {
      answered = true;
      judged.push(asked.length ? { turn, prompt: asked.join("\n"), response: content } : { turn, prompt: content, response: null });
    } else if (role !== "system") {
      throw new NotJudged(say("role_unknown"));
    }
  });
  if (!judged.length) throw new NotJudged(say("nothing_to_judge"));
  return judged;
}
