// Runs in each page before the page's own scripts, beside recorder.js: keeps what the page tried to send, what it was told by whatever transport,
// every change of what it shows, when its connection was open and closed, what the browser said of the network, and how late the page's own timers were.
(() => {
  if (window.top !== window) return;
  const TURN = 50; // ms
  const watched = { tries: [], hints: [], changes: [], network: [], lags: [], links: [], goneAt: null, restoredAt: null };
  let link = null; // the transport of the connection that is open
  window.watched = watched;
  watchFetch();
  watchSockets();
  watchPolling();
  watchLags();
  document.addEventListener("readystatechange", () => {
    if (document.readyState === "interactive") watchChanges();
  });
  for (const name of ["online", "offline"]) addEventListener(name, () => watched.network.push({ at: performance.now(), name }));

  addEventListener("pageshow", (event) => {
    if (event.persisted) watched.restoredAt = performance.now();
  });

  function note(kind, url) {
    const one = { at: performance.now(), endedAt: null, status: null, kind, url: String(url) };
    watched.tries.push(one);
    return one;
  }

  function hear(packet, transport) {
    if (packet.startsWith("40")) {
      link = transport;
      watched.links.push({ at: performance.now(), isOpen: true });
    }
    if (packet.startsWith('42["job_update"')) watched.hints.push({ at: performance.now(), ...JSON.parse(packet.slice(2))[1] });
  }

  function close(transport) {
    if (link !== transport) return;
    link = null;
    watched.links.push({ at: performance.now(), isOpen: false });
  }

  function watchFetch() {
    const send = window.fetch;
    window.fetch = async (resource, options) => {
      const one = note("fetch", resource);
      options?.signal?.addEventListener("abort", () => (one.endedAt = performance.now())); // each ends so, also those that were answered
      const response = await send(resource, options);
      one.status = response.status;
      return response;
    };
  }

  function watchSockets() {
    const Inner = window.WebSocket;
    window.WebSocket = class extends Inner {
      constructor(url, ...options) {
        note("socket", url);
        super(url, ...options);
        this.addEventListener("message", ({ data }) => typeof data === "string" && hear(data, this));
        this.addEventListener("close", () => close(this));
      }
    };
  }

  function watchPolling() {
    const open = XMLHttpRequest.prototype.open;
    XMLHttpRequest.prototype.open = function (method, url, ...options) {
      if (!url.includes("sid=")) note("polling", url);
      this.addEventListener("readystatechange", () => {
        if (this.readyState !== 4) return;
        if (this.status === 200) this.responseText.split("\x1e").forEach((packet) => hear(packet, "polling"));
        else close("polling");
      });
      open.call(this, method, url, ...options);
    };
  }

  function watchChanges() {
    const isIndicator = (node) => (node.nodeType === 1 ? node : node.parentElement)?.closest("[data-connection]");
    const observer = new MutationObserver((records) => {
      const own = records.filter((record) => !isIndicator(record.target));
      if (document.querySelector(".is-deleted:not([hidden])")) watched.goneAt ??= performance.now(); // from then on it claims no connection
      if (own.length > 0) watched.changes.push({ at: performance.now(), of: own[0].target.outerHTML ?? own[0].target.textContent });
    });
    observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  }

  function watchLags() {
    let due = performance.now() + TURN;
    setInterval(() => {
      const now = performance.now();
      if (now - due > TURN) watched.lags.push({ from: due, to: now });
      due = now + TURN;
    }, TURN);
  }
})();
