// What the page says, in the language that the browser asks for, and how numbers are written there.

import de from "./words_de.js";
import en from "./words_en.js";
import es from "./words_es.js";
import fr from "./words_fr.js";

const TABLES = { de, en, es, fr };
const languageOf = (tag) => tag.split("-")[0].toLowerCase();

/** The first language that the browser asks for and the page speaks, with its region: `de-CH`. */
export const locale = (globalThis.navigator?.languages ?? []).find((tag) => Object.hasOwn(TABLES, languageOf(tag))) ?? "en";
export const language = languageOf(locale);

const plurals = new Intl.PluralRules(locale);
const wholes = new Intl.NumberFormat(locale);

/** A text of the table. `{name}` takes a value; the number `n` chooses the form where there are two. */
export function say(key, values = {}) {
  return template(key, values.n).replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

function template(key, n) {
  const text = TABLES[language][key];
  if (text === undefined) throw new RangeError(`no text ${key}`);
  return typeof text === "string" ? text : (text[plurals.select(n)] ?? text.other);
}

const shown = (value) => (typeof value === "number" ? wholes.format(value) : String(value));

/** A share as percent, with so many digits behind the point. */
export function percent(share, digits = 1) {
  const style = { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, style).format(share);
}

/** A measured number with so many digits behind the point. */
export function decimal(value, digits) {
  const style = { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false };
  return new Intl.NumberFormat(locale, style).format(value);
}

/** A measured number with three digits that count. */
export function rounded(value) {
  const style = { minimumSignificantDigits: 3, maximumSignificantDigits: 3, useGrouping: false };
  return new Intl.NumberFormat(locale, style).format(value);
}

export const listed = (names) => new Intl.ListFormat(locale).format(names);

/** The name of a language in the reader's own; the tag where it has none. */
export function languageName(tag) {
  try {
    return new Intl.DisplayNames([locale], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

const ATTRIBUTES = ["placeholder", "aria-label"];

/** Writes the texts that the markup names. Children with a `data-slot` stand where the text has its name. */
export function writePage() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-say]")) {
    const slots = new Map([...node.children].map((child) => [`{${child.dataset.slot}}`, child]));
    const parts = template(node.dataset.say).split(/(\{\w+\})/);
    node.replaceChildren(...parts.map((part) => slots.get(part)?.cloneNode(true) ?? part));
  }
  for (const name of ATTRIBUTES) {
    for (const node of document.querySelectorAll(`[data-say-${name}]`)) {
      node.setAttribute(name, template(node.getAttribute(`data-say-${name}`)));
    }
  }
}
