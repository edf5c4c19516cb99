// Reports how long changes of status took to be painted, on those pages that the server picked for it
// (JOBSYNC_PAINT_SAMPLING). It only looks at the page: page.js and sync.js know nothing of it.

const EVERY = 5000; // ms between two reports
const MOST = 100; // paints of one report

const job = document.querySelector("[data-job-id]");
let statuses = statusesNow();
let paints = [];

function statusesNow() {
  return [job, ...job.querySelectorAll("[data-step]")].map((node) => node.dataset.status).join();
}

/** Calls `action` once what is in the document now has been painted. */
function afterPaint(action) {
  requestAnimationFrame(() => setTimeout(action));
}

function look() {
  const now = statusesNow();
  if (now === statuses || document.hidden) return;
  statuses = now;
  const updatedAt = job.dataset.updatedAt;
  afterPaint(() => paints.length < MOST && paints.push({ updatedAt, paintedAt: performance.now() }));
}

function report() {
  if (paints.length === 0) return;
  const now = performance.now();
  const ageOf = ({ updatedAt, paintedAt }) => ({ updated_at: updatedAt, age_ms: Math.round(now - paintedAt) });
  const body = { paints: paints.map(ageOf) };
  paints = [];
  navigator.sendBeacon("/metrics/painted", new Blob([JSON.stringify(body)], { type: "application/json" }));
}

new MutationObserver(look).observe(job, { attributeFilter: ["data-updated-at"] });
setInterval(report, EVERY);
addEventListener("pagehide", report);
