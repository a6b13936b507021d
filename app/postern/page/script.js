// The page: tabs, key, options, and the two forms that ask for verdicts.

import { Refused, call, classify, explain, json, setKey } from "./api.js";
import { Unreadable, readConversation, turnList } from "./conversation.js";
import { deviceSwitch } from "./device.js";
import { byId } from "./dom.js";
import { figuresTab } from "./figures.js";
import { fileTab } from "./file.js";
import { verdictCard } from "./verdict.js";

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
    byId("model").textContent = `${info.model.name} ${info.model.version}`;
    showPoints(info.default_operating_point);
    showFeedback(info.feedback);
    showModes(info.modes, info.policies);
    showShadow(info.shadow);
    showKeyPanel(false);
  } catch (error) {
    byId("model").textContent = error instanceof Refused && error.status === 401 ? "This server asks for an API key." : explain(error);
  }
}

function showFeedback({ on, keep_s: seconds }) {
  const time = seconds < 90 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  byId("feedback").hidden = !on;
  byId("feedback").textContent = on
    ? `Feedback is on: this server keeps what you send for ${time}, and keeps a text for good once somebody corrects its verdict.`
    : "";
}

const listed = (names) => new Intl.ListFormat("en").format(names);
const policiesNamed = (some) => `${some.length > 1 ? "Policies" : "Policy"} ${listed(some.map(({ name }) => name))}`;

function showModes(modes, policies) {
  const routes = Object.keys(modes).filter((route) => modes[route] === "audit");
  const own = policies?.policies ?? [];
  const auditing = own.filter(({ mode }) => mode === "audit");
  const enforcing = routes.length ? own.filter(({ mode }) => mode === "enforce") : [];
  const sorting = own.filter(({ audited_categories: some }) => some.length);
  const said = [
    routes.length && `Audit mode: nothing is blocked on ${listed(routes)}.`,
    enforcing.length && `${policiesNamed(enforcing)}: harm is blocked all the same.`,
    auditing.length && `${policiesNamed(auditing)}: nothing is blocked.`,
    ...sorting.map((one) => `${policiesNamed([one])}: nothing is blocked for ${listed(one.audited_categories)} alone.`),
  ].filter(Boolean);
  byId("mode").hidden = !said.length;
  byId("mode").textContent = said.join(" ");
}

function showShadow(shadow) {
  if (shadow) byId("model").textContent += `, with ${shadow.model.name} ${shadow.model.version} in the shadow`;
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
    ? `Harmful from ${point.prompt.threshold.toFixed(3)} for prompts, ${point.pair.threshold.toFixed(3)} for answers.`
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
    showKeyPanel(true, "Unauthorised: this server asks for an API key, and none or a wrong one was given.");
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

const startFigures = figuresTab();
keyPanel();
tabs();
forms();
fileTab({ limits: () => limits, options });
byId("operating-point").addEventListener("change", showThresholds);
const told = readInfo();
deviceSwitch(told);
