/** Port of app/postern/inference/tokenizer.py and contract/windows.py: segments -> windows. */
import { GuardError } from "./errors.js";
import type { BertTokenizer, Frame } from "./wordpiece.js";

/** First token and the one after the last. */
export type Span = readonly [number, number];

export interface Window {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

export interface Encoding {
  readonly windows: readonly Window[];
  readonly tokens: number;
  readonly promptTokens: number;
  /** What each window holds of each segment. Empty if there is only one window. */
  readonly spans: readonly (readonly Span[])[];
}

export interface WindowSizes {
  readonly windowTokens: number;
  readonly overlapTokens: number;
}

function overhead(frame: Frame): number {
  return frame.special.reduce((sum, ids) => sum + ids.length, 0);
}

export class Windows {
  constructor(
    readonly tokenizer: BertTokenizer,
    readonly sizes: WindowSizes,
  ) {
    const { windowTokens, overlapTokens } = sizes;
    if (windowTokens - overhead(tokenizer.frames[1]) < 8 || overlapTokens >= Math.floor(windowTokens / 4)) {
      throw new GuardError("artifact_invalid", "window_tokens is too small or overlap_tokens too large");
    }
  }

  /** Raises `text_too_long` for more than `maxTokens` tokens. */
  encode(segments: readonly string[], maxTokens = Infinity): Encoding {
    const parts = segments.map((segment) => this.tokenizer.ids(segment));
    const tokens = parts.reduce((sum, part) => sum + part.length, 0);
    if (tokens > maxTokens) {
      throw new GuardError("text_too_long", `the exchange has more than ${maxTokens} tokens`);
    }
    const frame = this.tokenizer.frames[parts.length - 1]!;
    const room = this.sizes.windowTokens - overhead(frame);
    const promptTokens = parts[0]!.length;
    if (tokens <= room) return { windows: [framed(frame, parts)], tokens, promptTokens, spans: [] };
    const spans =
      parts.length === 1
        ? this.#slide(promptTokens, room).map((span) => [span])
        : this.#pairSpans(promptTokens, parts[1]!.length, room);
    const windows = spans.map((held) => framed(frame, parts.map((ids, i) => ids.slice(...held[i]!))));
    return { windows, tokens, promptTokens, spans };
  }

  #pairSpans(prompt: number, response: number, room: number): Span[][] {
    const half = Math.floor(room / 2);
    let prompts: Span[];
    let responses: Span[];
    if (prompt <= half) {
      prompts = [[0, prompt]];
      responses = this.#slide(response, room - prompt);
    } else if (response <= half) {
      prompts = this.#slide(prompt, room - response);
      responses = [[0, response]];
    } else {
      prompts = this.#slide(prompt, half);
      responses = this.#slide(response, room - half);
    }
    const count = Math.max(prompts.length, responses.length);
    const dealt = (spans: Span[], index: number): Span => spans[Math.floor((index * spans.length) / count)]!;
    return Array.from({ length: count }, (_, i) => [dealt(prompts, i), dealt(responses, i)]);
  }

  /** Overlapping spans of at most `room` tokens. The last one is full. */
  #slide(tokens: number, room: number): Span[] {
    if (tokens <= room) return [[0, tokens]];
    const spans: Span[] = [];
    for (let start = 0; start < tokens - room; start += room - this.sizes.overlapTokens) {
      spans.push([start, start + room]);
    }
    spans.push([tokens - room, tokens]);
    return spans;
  }
}

function framed(frame: Frame, parts: readonly (readonly number[])[]): Window {
  const ids = [...frame.special[0]!];
  const typeIds = [...frame.specialTypes[0]!];
  parts.forEach((part, index) => {
    ids.push(...part, ...frame.special[index + 1]!);
    for (let i = 0; i < part.length; i++) typeIds.push(frame.segmentTypes[index]!);
    typeIds.push(...frame.specialTypes[index + 1]!);
  });
  return { ids, typeIds };
}

const MULTIPLE_OF = 8;

/** Length of a window with padding, as the server pads it. */
export function paddedLength(tokens: number): number {
  return Math.ceil(tokens / MULTIPLE_OF) * MULTIPLE_OF;
}
