// What the server says while the page shows one job: one that is retried whenever it has ended, and that its viewer looks about in.

const CHANGES = 60; // of a step in one run
const CHANGE_EVERY = 4; // beats
const RUN_EVERY = 800; // beats from one start to the next, a little more than a run takes
const WRITTEN = 100_000; // lines of a step before the page looks

class JobWorld {
  beatEvery = 900; // ms
  #job;
  #beats = 0;

  constructor() {
    const { jobId: id, revision } = document.querySelector("[data-job-id]").dataset;
    const steps = [...document.querySelectorAll("[data-step]")].map((node) => node.dataset.step);
    this.#job = new Job({ id, steps, revision: Number(revision), changes: CHANGES });
    for (const step of this.#job.steps) write(step, WRITTEN);
  }

  /** A change with every fourth beat, else a heartbeat; the job that has ended is begun again after a while. */
  beat() {
    this.#beats += 1;
    if (this.#job.isOver && this.#beats % RUN_EVERY === 0) this.#tell(this.#job.retry());
    else if (this.#job.isOver || this.#beats % CHANGE_EVERY !== 0) this.heartbeat();
    else this.#tell(this.#job.act());
  }

  heartbeat() {
    this.#tell(this.#job.hint(false));
  }

  #tell(hint) {
    tell(this.#job.id, hint);
  }

  ack() {
    return { ok: true, job_id: this.#job.id, status: this.#job.status, revision: this.#job.revision };
  }

  answer(url, etag) {
    const what = url.pathname.split("/").at(-1);
    if (what === "structure") return answerUnlessKnown(what, `"${this.#job.revision}"`, etag, () => JSON.stringify(this.#job.structure()));
    if (what === "logs") return { what, body: JSON.stringify(this.#lines(url.searchParams)) };
    if (what === "result") return { what, body: `<section><h2>Result</h2><p>As of revision ${this.#job.revision}</p></section>` };
    if (what === "failures") return { what, body: `<section><h2>Failures</h2><p>As of revision ${this.#job.revision}</p></section>` };
    if (what === "receipt") return { what, body: `<p>Cancelled 3 queued children as of revision ${this.#job.revision}</p>` };
    throw new Error(`nobody answers ${url}`);
  }

  #lines(query) {
    const [after, before, limit] = ["after", "before", "limit"].map((name) => (query.has(name) ? Number(query.get(name)) : undefined));
    return linesOf(this.#job.steps.find((step) => step.name === query.get("step")), { after, before, limit });
  }

  /** What the viewer does in the course of an hour: `[minute, deed]`, in order. */
  get deeds() {
    const [first, second] = document.querySelectorAll("[data-step]");
    const click = (node, selector) => () => node.querySelector(selector).click();
    return [
      [15, click(first, "[data-toggle-step]")],
      [16, click(first, "[data-toggle-step]")],
      [21, click(second, '[data-part="earlier"] a')],
      [23, click(second, '[data-part="later"]')],
      [26, () => (location.hash = `${second.dataset.step}:7`)],
      [27, click(second, '[data-part="later"]')],
    ];
  }

  /** Returns what differs between the page and the store, "" for nothing. */
  difference() {
    const root = document.querySelector("[data-job-id]");
    const shown = [root.dataset.status, root.dataset.revision];
    const stored = [this.#job.status, this.#job.revision];
    for (const step of this.#job.steps) {
      const node = document.querySelector(`[data-step="${step.name}"]`);
      const lines = [...node.querySelectorAll("[data-line]")].map((row) => Number(row.dataset.line));
      shown.push(node.dataset.status, node.dataset.logCount, lines.length, lines.at(-1));
      stored.push(step.status, step.log_count, Math.min(500, step.log_count), step.log_count);
    }
    return String(shown) === String(stored) ? "" : `the page shows ${shown}, the store has ${stored}`;
  }
}

/** Returns a 304 where the page has that entity already. */
function answerUnlessKnown(what, etag, known, body) {
  return etag === known ? { what, etag, status: 304 } : { what, etag, body: body() };
}
