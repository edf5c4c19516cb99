// Jobs that move on by themselves, one change after the other, with numbers that grow for ever.

const LINES = 100; // that a step writes at once
const LINES_EVERY = 6; // changes of a step
const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const LEVELS = ["info", "info", "info", "info", "warning", "info", "info", "debug", "info", "error"];

class Job {
  #changes; // of each step, from its start to its end
  #runs = 0;

  constructor({ id, steps, revision = 1, changes }) {
    Object.assign(this, { id, revision, status: "pending", error: null, waiting_for: null, updated_at: stamp(), started_at: null, finished_at: null });
    this.steps = steps.map(newStep);
    this.#changes = changes;
  }

  get isOver() {
    return TERMINAL.has(this.status);
  }

  /** Goes one change further and returns the hint of it. */
  act() {
    this.revision += 1;
    this.updated_at = stamp();
    const step = this.steps.find(({ status }) => !TERMINAL.has(status));
    if (!step) return this.#end();
    if (step.status === "pending") return this.#start(step);
    step.changes += 1;
    return step.changes < this.#changes ? this.#grow(step) : this.#endStep(step);
  }

  /** Begins once more. What was written and counted is kept. */
  retry() {
    this.revision += 1;
    this.updated_at = stamp();
    Object.assign(this, { status: "running", error: null, finished_at: null });
    for (const step of this.steps) Object.assign(step, { status: "pending", changes: 0, error: null, started_at: null, finished_at: null });
    return this.hint();
  }

  hint(isNews = true) {
    return { context: "job", job_id: this.id, status: this.status, refresh_logs: isNews, revision: this.revision };
  }

  structure() {
    const { id: job_id, status, revision, error, updated_at, started_at, finished_at } = this;
    const steps = this.steps.map(({ changes, ...shown }) => shown);
    return { job_id, status, revision, error, updated_at, started_at, finished_at, steps };
  }

  #stepHint({ name: step_name, status }, refresh_logs = true) {
    return { context: "job_step", job_id: this.id, step_name, status, refresh_logs, revision: this.revision };
  }

  #start(step) {
    this.status = "running";
    this.started_at ??= stamp();
    Object.assign(step, { status: "running", started_at: stamp(), child_count: step.child_count + this.#changes });
    step.children.pending += this.#changes - 1;
    step.children.running = 1;
    return this.#stepHint(step);
  }

  #grow(step) {
    step.children.pending -= 1;
    step.children.completed += 1;
    const isWriting = step.changes % LINES_EVERY === 0;
    if (isWriting) write(step, LINES);
    return this.#stepHint(step, isWriting);
  }

  /** Every second run fails in its last step. */
  #endStep(step) {
    const isFailing = step === this.steps.at(-1) && this.#runs % 2 === 1;
    step.children.running = 0;
    step.children[isFailing ? "failed" : "completed"] += 1;
    const [status, error] = isFailing ? ["failed", `the child of run ${this.#runs} failed`] : ["completed", null];
    Object.assign(step, { status, error, finished_at: stamp() });
    return this.#stepHint(step);
  }

  #end() {
    const failed = this.steps.find(({ status }) => status === "failed");
    const [status, error] = failed ? ["failed", `${failed.name}: ${failed.error}`] : ["completed", null];
    Object.assign(this, { status, error, finished_at: stamp() });
    this.#runs += 1;
    return this.hint();
  }
}

function newStep(name) {
  const children = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
  const levels = { debug: 0, info: 0, warning: 0, error: 0 };
  const times = { started_at: null, finished_at: null };
  return { name, status: "pending", log_count: 0, child_count: 0, children, levels, error: null, ...times, changes: 0 };
}

function write(step, lines) {
  for (let written = 0; written < lines; written += 1) {
    step.log_count += 1;
    step.levels[levelOf(step.log_count)] += 1;
  }
}

function levelOf(line) {
  return LEVELS[line % LEVELS.length];
}

/** Returns a page of a step's lines as the API does: `after` a line, `before` one, or the last. */
function linesOf({ name: step, log_count }, { after, before, limit }) {
  const end = before === undefined ? log_count : Math.min(log_count, before - 1);
  const first = after === undefined ? Math.max(1, end - limit + 1) : after + 1;
  const last = Math.min(end, first + limit - 1);
  const items = [];
  for (let line = first; line <= last; line += 1) items.push(lineOf(step, line));
  return { items, total: log_count, log_count };
}

function lineOf(step, line) {
  const message = `${step} has come to its line ${line}: \x1b[32mall is well\x1b[0m with src/part_${line % 97}/module_${line % 1009}.py`;
  return { line, step, at: new Date(EPOCH + line).toISOString(), level: levelOf(line), message, child_id: `c${line % 61}` };
}
