// Runs in each page before the page's own scripts: keeps what the page was told, what it asked for and what it showed, with the time of each.
(() => {
  if (window.top !== window) return;
  const recorded = { hints: [], calls: [], shown: [], connections: [], violations: [] };
  window.recorded = recorded;
  window.snapshotOf = snapshotOf;
  document.addEventListener("securitypolicyviolation", (event) => recorded.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
  recordCalls();
  recordHints();
  document.addEventListener("readystatechange", () => {
    if (document.readyState === "interactive") recordShown(); // all elements are there, and no module has run yet
  });

  // What it asked for

  function recordCalls() {
    const send = window.fetch;
    window.fetch = async (resource, options) => {
      const call = { url: String(resource), startedAt: performance.now(), endedAt: null, status: null, structure: null };
      recorded.calls.push(call);
      try {
        const response = await send(resource, options);
        call.status = response.status;
        const text = await response.clone().text();
        if (call.url.endsWith("/structure") && response.status === 200) call.structure = JSON.parse(text);
        return response;
      } finally {
        call.endedAt = performance.now();
      }
    };
  }

  // What it was told

  function recordHints() {
    const Native = window.WebSocket;
    window.WebSocket = class extends Native {
      constructor(...options) {
        super(...options);
        this.addEventListener("message", ({ data }) => {
          if (typeof data !== "string" || !data.startsWith('42["job_update"')) return;
          recorded.hints.push({ at: performance.now(), ...JSON.parse(data.slice(2))[1] });
        });
      }
    };
  }

  // What it showed

  function recordShown() {
    const last = new Map(); // job id → revision
    const note = () => {
      for (const node of document.querySelectorAll("[data-job-id]")) {
        if (last.get(node.dataset.jobId) === node.dataset.revision) continue;
        last.set(node.dataset.jobId, node.dataset.revision);
        recorded.shown.push({ at: performance.now(), ...snapshotOf(node) });
      }
    };
    const noteConnection = () => {
      const state = document.querySelector("[data-connection]")?.dataset.connection;
      if (recorded.connections.at(-1)?.state !== state) recorded.connections.push({ at: performance.now(), state });
    };
    note();
    noteConnection();
    new MutationObserver(note).observe(document, { subtree: true, childList: true, attributeFilter: ["data-revision"] });
    new MutationObserver(noteConnection).observe(document, { subtree: true, attributeFilter: ["data-connection"] });
  }

  /** Returns `{ job, views }`: what is said of the job, in the words of `structure` where there are any, and how its steps are opened. */
  function snapshotOf(node) {
    const steps = [...node.querySelectorAll("[data-step]")];
    return { job: jobOf(node, steps), views: steps.map(viewOf) };
  }

  function jobOf(node, steps) {
    return {
      job_id: node.dataset.jobId,
      status: node.dataset.status,
      revision: Number(node.dataset.revision),
      badge: badgeOf(part(node, "badge")),
      error: shownText(part(node, "error")),
      steps: steps.length > 0 ? steps.map(stepOf) : [...node.querySelectorAll("[data-segment]")].map(segmentOf),
    };
  }

  function stepOf(node) {
    const { step, status, logCount, childCount } = node.dataset;
    return {
      name: step,
      status,
      log_count: Number(logCount),
      child_count: Number(childCount),
      badge: badgeOf(part(node, "badge")),
      children: countsOf(part(node, "children")),
      levels: countsOf(part(node, "levels")),
      lines: shownText(part(node, "lines")),
      error: shownText(part(node, "error")),
      started_at: part(node, "started").getAttribute("datetime"),
      finished_at: part(node, "finished").getAttribute("datetime"),
    };
  }

  function segmentOf(node) {
    return { name: node.dataset.segment, status: part(node, "word").textContent, icon: iconOf(node) };
  }

  function viewOf(node) {
    const numbers = [...node.querySelectorAll("[data-line]")].map((line) => Number(line.dataset.line));
    const isInOrder = numbers.every((number, place) => place === 0 || number > numbers[place - 1]);
    return { name: node.dataset.step, expanded: node.dataset.expanded, open: node.open, lines: numbers.length, isInOrder };
  }

  /** Returns `[icon, word, class]` of a badge; the icon is null if the document has no such picture. */
  function badgeOf(node) {
    const [status] = [...node.classList].filter((name) => name.startsWith("is-"));
    return [iconOf(node), node.textContent.trim(), status];
  }

  function iconOf(node) {
    const name = node.querySelector("use").getAttribute("href");
    return document.querySelector(name) ? name : null;
  }

  function countsOf(node) {
    const counts = node.hidden ? [] : [...node.querySelectorAll("[data-count]")].filter((count) => !count.hidden);
    return Object.fromEntries(counts.map((count) => [count.dataset.count, part(count, "number").textContent]));
  }

  function shownText(node) {
    return node.hidden ? null : node.textContent.trim();
  }

  function part(node, name) {
    return node.querySelector(`[data-part="${name}"]`);
  }
})();
