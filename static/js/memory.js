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
    this.#choices = this.#readAll()[jobId] ?? {};
  }

  /** Returns true or false as the viewer left the step, undefined if they never touched it. */
  get(step) {
    return Object.hasOwn(this.#choices, step) ? this.#choices[step] === true : undefined;
  }

  set(step, isOpen) {
    this.#choices[step] = isOpen;
    const { [this.#jobId]: _, ...others } = this.#readAll();
    const kept = Object.entries(others).slice(1 - MOST_JOBS);
    try {
      this.#storage().setItem(KEY, JSON.stringify({ ...Object.fromEntries(kept), [this.#jobId]: this.#choices }));
    } catch (error) {
      console.info("What you open and close is forgotten when you leave the page:", error.message);
    }
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
