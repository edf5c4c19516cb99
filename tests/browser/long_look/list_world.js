// What the server says while the page lists jobs: ten that run side by side, a new one for each that ends, old ones that leave or are
// deleted.

const SHOWN = 50; // jobs on the page
const RUNNING = 10;
const KEPT = 2 * SHOWN;
const JOB_CHANGES = 8; // of a step
const DELETED_EVERY = 7; // of so many jobs that ended one is deleted
const ELSEWHERE_EVERY = 50; // beats from one hint of a job that isn't on the page to the next

class ListWorld {
  beatEvery = 1800; // ms
  #jobs = []; // newest first
  #steps;
  #pattern; // the <li> of a job as served
  #page; // all of the served page but for the rows
  #rows = new WeakMap(); // job → { revision, html }
  #change;
  #begun = 0;
  #ended = 0;
  #beats = 0;

  constructor() {
    const row = document.querySelector("[data-job-id]");
    this.#steps = [...row.querySelectorAll("[data-segment]")].map((segment) => segment.dataset.segment);
    this.#pattern = row.cloneNode(true);
    this.#change = Number(document.querySelector("[data-list]").dataset.change);
    this.#page = servedPage();
    while (this.#begun < SHOWN) runOut(this.#begin());
    while (this.#begun < SHOWN + RUNNING) this.#begin();
  }

  deeds = [];

  get #shown() {
    return this.#jobs.slice(0, SHOWN);
  }

  #begin() {
    this.#begun += 1;
    const job = new Job({ id: `job${String(this.#begun).padStart(6, "0")}`, steps: this.#steps, changes: JOB_CHANGES });
    this.#jobs = [job, ...this.#jobs.slice(0, KEPT - 1)];
    return job;
  }

  /** A heartbeat, or with every second beat a change of one of the running jobs, and what comes of its end. */
  beat() {
    this.#beats += 1;
    if (this.#beats % 2 === 1) {
      this.heartbeat();
      return;
    }
    const running = this.#jobs.filter((job) => !job.isOver);
    const job = running[(this.#beats / 2) % running.length];
    const hint = job.act();
    this.#tell(job, hint);
    if (job.isOver) this.#replace();
    if (this.#beats % ELSEWHERE_EVERY === 0) this.#tellOfAnother();
  }

  /** Tells the job's own room all, and the feed of the job as a whole. */
  #tell(job, hint) {
    this.#change += 1;
    tell(job.id, hint);
    tell("", job.hint());
  }

  #replace() {
    this.#ended += 1;
    const job = this.#begin();
    this.#tell(job, job.hint());
    if (this.#ended % DELETED_EVERY === 0) this.#delete(this.#shown.findLast((old) => old.isOver));
  }

  #delete(job) {
    this.#jobs = this.#jobs.filter((other) => other !== job);
    this.#change += 1;
    const hint = { ...job.hint(false), status: "deleted" };
    for (const room of [job.id, ""]) tell(room, hint);
  }

  #tellOfAnother() {
    tell("", { context: "job", job_id: `other${this.#beats}`, status: "running", refresh_logs: true, revision: 7 });
  }

  heartbeat() {
    tell("", this.#jobs[0].hint(false));
    for (const job of this.#jobs) if (!job.isOver) tell(job.id, job.hint(false));
  }

  ack(jobId) {
    if (jobId === "") return { ok: true };
    const job = this.#find(jobId);
    return job ? { ok: true, job_id: jobId, status: job.status, revision: job.revision } : { ok: false, error: "There is no such job." };
  }

  #find(jobId) {
    return this.#jobs.find((job) => job.id === jobId);
  }

  answer(url, etag) {
    if (url.pathname === "/") return answerUnlessKnown("list", `"${this.#change}"`, etag, () => this.#html());
    if (url.pathname === "/counts") return { what: "counts", body: JSON.stringify({ change: this.#change, counts: {}, total: this.#shown.length }) };
    const job = this.#find(url.pathname.split("/").at(-2));
    if (!job) return { what: "structure", status: 404 };
    return answerUnlessKnown("structure", `"${job.id}-${job.revision}"`, etag, () => JSON.stringify(job.structure()));
  }

  #html() {
    const { start, end } = this.#page;
    const rows = this.#shown.map((job) => this.#rowOf(job));
    return [start.replace("data-change=", `data-change="${this.#change}" data-was=`), ...rows, end].join("");
  }

  #rowOf(job) {
    const kept = this.#rows.get(job);
    if (kept?.revision === job.revision) return kept.html;
    const { outerHTML: html } = filledIn(this.#pattern.cloneNode(true), job);
    this.#rows.set(job, { revision: job.revision, html });
    return html;
  }

  /** Returns what differs between the page and the store, "" for nothing. */
  difference() {
    const rows = [...document.querySelectorAll("[data-job-id]")];
    const shown = rows.map(({ dataset }) => [dataset.jobId, dataset.status, dataset.revision]);
    const stored = this.#shown.map((job) => [job.id, job.status, job.revision]);
    return String(shown) === String(stored) ? "" : `the page shows ${shown}, the store has ${stored}`;
  }
}

function runOut(job) {
  while (!job.isOver) job.act();
}

/** Returns the page as it was served, `{ start, end }` of it without rows. */
function servedPage() {
  const page = document.documentElement.cloneNode(true);
  page.querySelector('[data-list] [data-part="rows"]').replaceChildren(document.createComment("rows"));
  const [start, end] = page.outerHTML.split("<!--rows-->");
  return { start, end };
}

/** Makes a served row that of another job. */
function filledIn(row, job) {
  Object.assign(row.dataset, { jobId: job.id, status: job.status, revision: job.revision });
  const link = row.querySelector("a");
  link.href = `/jobs/${job.id}`;
  row.querySelector("code").textContent = job.id;
  say(row.querySelector('[data-part="badge"]'), job.status);
  const error = row.querySelector('[data-part="error"]');
  error.textContent = job.error ?? "";
  error.hidden = !job.error;
  for (const step of job.steps) {
    const segment = row.querySelector(`[data-segment="${step.name}"]`);
    say(segment, step.status);
    segment.querySelector('[data-part="word"]').textContent = step.status;
    segment.title = `${step.name}: ${step.status}`;
  }
  return row;
}

function say(node, status) {
  for (const name of [...node.classList]) if (name.startsWith("is-")) node.classList.replace(name, `is-${status}`);
  node.querySelector("use").setAttribute("href", `#i-${status}`);
  if (node.dataset.part === "badge") node.lastElementChild.textContent = status;
}
