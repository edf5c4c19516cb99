// Shows one step: its numbers, and when it is expanded its lines.

import { LogView } from "./log_view.js";
import { number, part, setAttribute, setHidden, setText, showNote, showStatus, showTime, took } from "./show.js";

const BAR = ["completed", "failed", "cancelled", "running"];
const BAR_WIDTH = 1000;

export class StepView {
  #node;
  #pattern;
  #sync;
  #log = null;
  #startedAt;

  /** node: the step's element as served. pattern: a <template> of a log line. sync: a JobSync. */
  constructor(node, { pattern, sync }) {
    this.#node = node;
    this.#pattern = pattern;
    this.#sync = sync;
    this.#startedAt = part(node, "started").getAttribute("datetime");
  }

  get name() {
    return this.#node.dataset.step;
  }

  get isExpanded() {
    return this.#node.dataset.expanded === "true";
  }

  get logCount() {
    return Number(this.#node.dataset.logCount);
  }

  /** Calls `action(isOpen)` when the viewer opens or closes the step, by the control or by the browser's own search in the page. */
  onToggle(action) {
    this.#node.querySelector("[data-toggle-step]").addEventListener("click", (event) => {
      event.preventDefault();
      action(!this.isExpanded);
    });
    this.#node.addEventListener("toggle", () => {
      if (this.#node.open !== this.isExpanded) action(this.#node.open);
    });
  }

  /** Opens or closes the step. A closed one holds no lines and fetches none. */
  expand(isOpen) {
    setAttribute(this.#node, "data-expanded", isOpen);
    if (this.#node.open !== isOpen) this.#node.open = isOpen;
    if (isOpen && !this.#log) this.#openLog();
    if (!isOpen) this.#closeLog();
  }

  /** Opens the step at a line. */
  async goTo(line) {
    this.expand(true);
    await this.#log.goTo(line);
  }

  /** Shows the step as `structure` has it. Returns whether it has just started or failed. */
  show(step) {
    const hasFailed = step.status === "failed" && this.#node.dataset.status !== "failed";
    const hasStarted = step.started_at !== null && step.started_at !== this.#startedAt;
    this.#startedAt = step.started_at;
    setAttribute(this.#node, "data-status", step.status);
    setAttribute(this.#node, "data-log-count", step.log_count);
    setAttribute(this.#node, "data-child-count", step.child_count);
    showStatus(part(this.#node, "badge"), step.status);
    showNote(part(this.#node, "error"), step.error);
    this.#showChildren(step);
    this.#showLines(step);
    this.#showTimes(step);
    return hasStarted || hasFailed;
  }

  #showChildren({ children, child_count: total }) {
    const chip = part(this.#node, "children");
    setHidden(chip, total === 0);
    for (const [status, count] of Object.entries(children)) this.#showCount(chip, status, count);
    const bar = part(this.#node, "bar");
    setAttribute(bar, "aria-label", `${children.completed} of ${total} children completed`);
    if (total === 0) bar.setAttribute("hidden", "");
    else bar.removeAttribute("hidden"); // SVG elements have no property for it
    let x = 0;
    for (const status of BAR) {
      const rect = bar.querySelector(`[data-bar="${status}"]`);
      const width = total === 0 ? 0 : (children[status] * BAR_WIDTH) / total;
      setAttribute(rect, "x", x);
      setAttribute(rect, "width", width);
      x += width;
    }
  }

  #showLines({ levels, log_count: total }) {
    const chip = part(this.#node, "levels");
    for (const level of ["warning", "error"]) {
      const count = this.#showCount(chip, level, levels[level]);
      setText(part(count, "noun"), levels[level] === 1 ? level : `${level}s`);
    }
    setText(part(chip, "lines"), number(total));
    setText(part(chip, "lines-noun"), total === 1 ? "line" : "lines");
    setHidden(part(this.#node, "download"), total === 0);
  }

  #showCount(chip, name, count) {
    const node = chip.querySelector(`[data-count="${name}"]`);
    setHidden(node, count === 0);
    setText(part(node, "number"), number(count));
    return node;
  }

  #showTimes({ started_at: started, finished_at: finished }) {
    showTime(part(this.#node, "started"), started);
    showTime(part(this.#node, "finished"), finished);
    setHidden(this.#node.querySelector('[data-if="started"]'), started === null);
    setHidden(this.#node.querySelector('[data-if="finished"]'), finished === null);
    setText(part(this.#node, "took"), took(started, finished));
  }

  #openLog() {
    this.#log = new LogView(this.#node, {
      step: this.name,
      pattern: this.#pattern,
      read: (query) => this.#sync.readLines(this.name, query),
      logCount: this.logCount,
    });
    const onLines = (lines, logCount) => this.#log.add(lines, logCount);
    this.#sync.follow(this.name, { last: this.#log.last, known: this.logCount, onLines });
  }

  #closeLog() {
    this.#sync.unfollow(this.name);
    this.#log?.close();
    this.#log = null;
    part(this.#node, "rows").replaceChildren();
  }
}
