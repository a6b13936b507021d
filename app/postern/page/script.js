// The page: tabs, key, options, and the two forms that ask for verdicts.

import { Refused, call, classify, explain, json, setKey } from "./api.js";
import { Unreadable, readConversation, turnList } from "./conversation.js";
import { deviceSwitch } from "./device.js";
import { byId } from "./dom.js";
import { figuresTab } from "./figures.js";
import { fileTab } from "./file.js";
import { verdictCard } from "./verdict.js";
import { decimal, listed, say, writePage } from "./words.js";

// Of the server as it ships, until it has said its own.
let limits = { max_items: 128, max_body_bytes: 1 << 20 };
let points = {};

function options() {
  const point = byId("operating-point").value;
  return { fallback: byId("fallback").value, ...(point ? { operating_point: point } : {}) };
}

// --- what runs here -------------------------------------------------------------------------

async function readInfo() {
  try {
    const info = await json(await call("info"));
    limits = info.limits;
    points = info.operating_points;
    byId("model").textContent = modelsOf(info);
    showPoints(info.default_operating_point);
    showFeedback(info.feedback);
    showModes(info.modes, info.policies);
    showKeyPanel(false);
  } catch (error) {
    byId("model").textContent = error instanceof Refused && error.status === 401 ? say("key_asked") : explain(error);
  }
}

function showFeedback({ on, keep_s: seconds }) {
  const time = seconds < 90 ? say("seconds", { n: seconds }) : say("minutes", { n: Math.round(seconds / 60) });
  byId("feedback").hidden = !on;
  byId("feedback").textContent = on ? say("feedback_on", { time }) : "";
}

const policiesNamed = (some) => say("policies_named", { n: some.length, names: listed(some.map(({ name }) => name)) });

function showModes(modes, policies) {
  const routes = Object.keys(modes).filter((route) => modes[route] === "audit");
  const own = policies?.policies ?? [];
  const auditing = own.filter(({ mode }) => mode === "audit");
  const enforcing = routes.length ? own.filter(({ mode }) => mode === "enforce") : [];
  const sorting = own.filter(({ audited_categories: some }) => some.length);
  const said = [
    routes.length && say("audit_mode", { routes: listed(routes) }),
    enforcing.length && say("policies_enforce", { policies: policiesNamed(enforcing) }),
    auditing.length && say("policies_audit", { policies: policiesNamed(auditing) }),
    ...sorting.map((one) => say("policies_sort", { policies: policiesNamed([one]), categories: listed(one.audited_categories) })),
  ].filter(Boolean);
  byId("mode").hidden = !said.length;
  byId("mode").textContent = said.join(" ");
}

const named = ({ model: { name, version } }) => `${name} ${version}`;

/** The student, those for other languages, and the one on trial. */
function modelsOf(info) {
  const others = info.language_models;
  const values = { model: named(info), others: listed(others.map(named)), n: others.flatMap(({ reads }) => reads).length };
  const serving = others.length ? say("model_with", values) : named(info);
  return info.shadow ? say("in_the_shadow", { model: serving, shadow: named(info.shadow) }) : serving;
}

function showPoints(usual) {
  const select = byId("operating-point");
  const names = Object.keys(points);
  select.replaceChildren(...names.map((name) => new Option(name, name, name === usual, name === usual)));
  showThresholds();
}

function showThresholds() {
  const point = points[byId("operating-point").value];
  byId("thresholds").textContent = point
    ? say("thresholds", { prompt: decimal(point.prompt.threshold, 3), pair: decimal(point.pair.threshold, 3) })
    : "";
}

// --- key ------------------------------------------------------------------------------------

function showKeyPanel(open, message = "") {
  byId("key-panel").hidden = !open;
  byId("key-toggle").setAttribute("aria-expanded", open);
  byId("key-message").textContent = message;
}

function keyPanel() {
  byId("key-toggle").addEventListener("click", () => {
    showKeyPanel(byId("key-panel").hidden);
    if (!byId("key-panel").hidden) byId("key").focus();
  });
  document.addEventListener("postern:unauthorised", () => {
    showKeyPanel(true, say("key_wrong"));
  });
  byId("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    setKey(byId("key").value);
    byId("key").value = "";
    await readInfo();
    startFigures();
  });
}

// --- tabs -----------------------------------------------------------------------------------

const TABS = ["try", "conversation", "file", "figures"];

function openTab(name, { focus = false } = {}) {
  for (const other of TABS) {
    const tab = byId(`tab-${other}`);
    const chosen = other === name;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    byId(`panel-${other}`).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  byId("options").hidden = name === "figures";
  startFigures();
}

function tabs() {
  TABS.forEach((name, index) => {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => {
      history.replaceState(null, "", `#${name}`);
      openTab(name);
    });
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      openTab(TABS.at(to % TABS.length), { focus: true });
    });
  });
  const fromAddress = () => openTab(TABS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "try");
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
}

// --- forms ----------------------------------------------------------------------------------

/** On submit: `ask(signal)` gives the elements to show; a new submit makes the former one void. */
function answering(form, output, error, ask) {
  let current = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    current?.abort();
    const mine = (current = new AbortController());
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    error.textContent = "";
    try {
      output.replaceChildren(...(await ask(mine.signal)));
    } catch (failure) {
      if (mine.signal.aborted) return;
      output.replaceChildren(); // an old verdict beside a new failure would look like its verdict
      error.textContent = failure instanceof Unreadable ? failure.message : explain(failure);
    } finally {
      if (mine === current) button.disabled = false;
    }
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

function forms() {
  answering(byId("try-form"), byId("verdict"), byId("try-error"), async (signal) => {
    const prompt = byId("prompt").value;
    const response = byId("response").value || null;
    return [verdictCard(await classify({ prompt, response, ...options() }, signal), prompt, response)];
  });
  answering(byId("conversation-form"), byId("turns"), byId("conversation-error"), async (signal) => {
    const messages = readConversation(byId("conversation").value);
    return turnList(await classify({ messages, ...options() }, signal), messages);
  });
}

writePage();
const startFigures = figuresTab();
keyPanel();
tabs();
forms();
fileTab({ limits: () => limits, options });
byId("operating-point").addEventListener("change", showThresholds);
const told = readInfo();
deviceSwitch(told);
