// The switch that lets this browser judge instead of the server, also where no server is there.

import { NotJudged, judgeWith } from "./api.js";
import { byId } from "./dom.js";
import { exchangesOf } from "./exchanges.js";
import { percent, say } from "./words.js";

const CHOSEN = "postern:on-device";

/** `told`: settles when the server has said what it runs, or did not answer. */
export function deviceSwitch(told) {
  if (!("onDevice" in document.documentElement.dataset)) return;
  const box = byId("device-switch");
  byId("device").hidden = false;
  document.head.append(Object.assign(document.createElement("link"), { rel: "manifest", href: "page/app.webmanifest" }));
  let guard = null;
  box.addEventListener("change", async () => {
    localStorage.setItem(CHOSEN, box.checked ? "yes" : "no");
    await guard?.close();
    guard = null;
    judgeWith(null);
    show("");
    if (!box.checked) return;
    // From here on nothing goes to the server, whatever becomes of the model.
    judgeWith(async () => {
      throw new NotJudged(say("device_loading"));
    });
    try {
      guard = await loaded();
      if (!box.checked) return void guard.close();
      judgeWith((body) => judged(guard, body));
      await told;
      const { name, version, delta } = guard.model;
      byId("model").textContent = say("on_device", { model: `${name} ${version}` });
      show(say(delta === null ? "device_unsure" : "device_ready"));
    } catch (error) {
      judgeWith(async () => {
        throw new NotJudged(reason(error));
      });
      show(reason(error));
    }
  });
  if (localStorage.getItem(CHOSEN) === "yes") box.click();
}

function show(status) {
  byId("device-status").textContent = status;
}

function reason(error) {
  if (error.code === "storage_full") return say("storage_full");
  return say("cannot_judge", { reason: error.message });
}

async function loaded() {
  show(say("loading"));
  await offline();
  const { Guard } = await import("../on_device/index.js");
  return Guard.load(new URL("artifact/", document.baseURI), {
    offline: true,
    onProgress: (read, total) => show(say("loading_share", { percent: percent(read / total, 0) })),
  });
}

/** Lets the service worker keep this page and the package. Without one, the page needs its server. */
async function offline() {
  if (!navigator.serviceWorker) return;
  const script = "service_worker.js";
  const url = window.trustedTypes ? trusted(script) : script;
  await navigator.serviceWorker.register(url);
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) {
    await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
  }
  // What was loaded before it was there: asked for again, so that it is kept as well.
  const own = performance.getEntriesByType("resource").map((entry) => entry.name);
  const page = new URL("page/", document.baseURI).href;
  await Promise.all(own.filter((url) => url.startsWith(page)).map((url) => fetch(url).catch(() => {})));
}

let policy;

function trusted(script) {
  policy ??= window.trustedTypes.createPolicy("postern-page", {
    createScriptURL: (url) => {
      if (url !== script) throw new TypeError("only the service worker of this page");
      return url;
    },
  });
  return policy.createScriptURL(script);
}

/** A reply in the shape of `POST /classify`. */
async function judged(guard, body) {
  const { operating_point, categories } = body;
  const options = { ...(operating_point ? { operating_point } : {}), ...(categories ? { categories } : {}) };
  const results = [];
  const timings = { queue: 0, inference: 0, teacher: 0, total: 0 };
  let first;
  for (const [index, { turn, ...exchange }] of exchangesOf(body).entries()) {
    let verdict;
    try {
      verdict = await guard.classify(exchange, options);
    } catch (error) {
      throw new NotJudged(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
    }
    first ??= verdict;
    timings.inference += verdict.timings_ms.inference;
    timings.total += verdict.timings_ms.total;
    results.push({
      ...verdict,
      index,
      ...(turn === undefined ? {} : { turn }),
      deferred: false,
      student_probability: verdict.probability,
      teacher_probability: null,
    });
  }
  const { model, operating_point: point } = first;
  return { id: "on-device", model, operating_point: point, harmful: results.some((one) => one.harmful), results, timings_ms: timings };
}
