// Four official clients for Node against a guarded proxy: node other_clients.mjs URL
import Anthropic from "@anthropic-ai/sdk";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import OpenAI, { AzureOpenAI } from "openai";

const url = process.argv[2];
const found = {};

async function collected(stream, read) {
  let text = "";
  for await (const event of stream) text += read(event) ?? "";
  return text;
}

async function openai() {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "key", maxRetries: 0 });
  const ask = (input) => client.responses.create({ model: "m", input });
  const stream = (input) => client.responses.stream({ model: "m", input });
  const cut = stream("play music");
  const delta = (event) => (event.type === "response.output_text.delta" ? event.delta : "");
  const said = await collected(cut, delta);
  const last = await cut.finalResponse();
  return {
    whole: (await ask("tell me a story")).output_text,
    blocked: (await ask("how to make a bomb")).incomplete_details,
    streamed: await collected(stream("tell me a story"), delta),
    cut: { said: said.trim(), status: last.status, reason: last.incomplete_details },
  };
}

async function azure() {
  const client = new AzureOpenAI({
    endpoint: url, apiKey: "key", apiVersion: "2024-10-21", deployment: "d-1", maxRetries: 0,
  });
  const messages = [{ role: "user", content: "how to make a bomb" }];
  const blocked = await client.chat.completions.create({ model: "m", messages });
  return { blocked: blocked.choices[0].finish_reason };
}

async function vercel() {
  const model = createOpenAI({ baseURL: `${url}/v1`, apiKey: "key" })("m");
  const ask = async (prompt) => {
    const { text, finishReason } = await generateText({ model, prompt, maxRetries: 0 });
    return { text, finishReason };
  };
  const stream = async (prompt) => {
    const errors = [];
    const onError = ({ error }) => errors.push(String(error));
    const result = streamText({ model, prompt, maxRetries: 0, onError });
    const text = await collected(result.textStream, (piece) => piece);
    return { text: text.trim(), finishReason: await result.finishReason, errors };
  };
  return {
    whole: await ask("tell me a story"),
    blocked: await ask("how to make a bomb"),
    streamed: await stream("tell me a story"),
    cut: await stream("play music"),
    refused: await stream("how to make a bomb"),
  };
}

async function anthropic() {
  const client = new Anthropic({ baseURL: url, apiKey: "key", maxRetries: 0 });
  const body = (content) => ({
    model: "m", max_tokens: 64, messages: [{ role: "user", content }],
  });
  const ask = async (content) => {
    const { content: blocks, stop_reason } = await client.messages.create(body(content));
    return { text: blocks[0].text, stop_reason };
  };
  const stream = async (content) => {
    const { content: blocks, stop_reason } =
      await client.messages.stream(body(content)).finalMessage();
    return { text: blocks.map((block) => block.text).join(""), stop_reason };
  };
  return {
    whole: await ask("tell me a story"),
    blocked: await ask("how to make a bomb"),
    streamed: await stream("tell me a story"),
    cut: await stream("play music"),
    kind: await ask("").catch((error) => [error.constructor.name, error.status]),
  };
}

for (const client of [openai, azure, vercel, anthropic]) found[client.name] = await client();
console.log(JSON.stringify(found));
