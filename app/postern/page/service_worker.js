// Keeps this page and the package that judges, so that both open without a network. What the server
// has comes first: an old copy is used only where no answer comes. The model and the identifier of
// languages are kept by the package.

const CACHE = "postern-page";
const SHELL = ["./"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const scope = new URL(self.registration.scope);

function isKept(request) {
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin) return false;
  const path = url.pathname.slice(scope.pathname.length);
  return path === "" || path.startsWith("page/") || (path.startsWith("on_device/") && !path.endsWith(".bin"));
}

self.addEventListener("fetch", (event) => {
  if (isKept(event.request)) event.respondWith(answer(event.request));
});

async function answer(request) {
  const cache = await caches.open(CACHE);
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
  // Where storage is full, the page still opens, though not without a network.
  if (response.ok) await cache.put(request, response.clone()).catch(() => undefined);
  return response;
}
