// What the viewer opened and closed, job by job, kept in this browser.

const KEY = "jobsync.steps";
const MOST_JOBS = 100;

export class Memory {
  #jobId;
  #storage;
  #choices;

  /** storage: () => localStorage, which a browser may refuse; then the choices last as long as the page. */
  constructor(jobId, storage) {
    this.#jobId = jobId;
    this.#storage = storage;
    this.#choices = this.#readMine(this.#readAll());
  }

  /** Returns true or false as the viewer left the step, undefined if they never touched it. */
  get(step) {
    return this.#choices.get(step);
  }

  /** Keeps a choice, beside those that other tabs have kept of the same job meanwhile. */
  set(step, isOpen) {
    this.#choices.set(step, isOpen);
    const all = this.#readAll();
    const mine = Object.fromEntries(this.#readMine(all).set(step, isOpen));
    const kept = Object.entries(all).filter(([jobId]) => jobId !== this.#jobId).slice(1 - MOST_JOBS);
    try {
      this.#storage().setItem(KEY, JSON.stringify({ ...Object.fromEntries(kept), [this.#jobId]: mine }));
    } catch (error) {
      console.info("What you open and close is forgotten when you leave the page:", error.message);
    }
  }

  /** A Map, as a step may have any name, `__proto__` too. */
  #readMine(all) {
    return new Map(Object.entries(all[this.#jobId] ?? {}).map(([step, isOpen]) => [step, isOpen === true]));
  }

  #readAll() {
    try {
      const all = JSON.parse(this.#storage().getItem(KEY));
      return all && typeof all === "object" ? all : {};
    } catch {
      return {}; // none is kept, or it isn't ours: as if nothing had been touched
    }
  }
}
