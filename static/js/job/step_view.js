// Shows one step: its numbers, and when it is expanded its lines.

import { offer } from "./actions.js";
import { loaded } from "../lib/load.js";
import { ALL_LINES } from "../sync/log_feed.js";
import { LogView } from "./log_view.js";
import { empty } from "./scrolling.js";
import {
  elapsed,
  number,
  part,
  setAttribute,
  setHidden,
  setText,
  showNote,
  showStatus,
  showTime,
} from "../lib/show.js";
import { stepActions } from "../lib/status.js";

const BAR = ["completed", "failed", "cancelled", "running"];
const ALL = "debug"; // the lowest level

export class StepView {
  #node;
  #pattern;
  #sync;
  #watch;
  #parts = new Map(); // selector → the element that was found by it
  #log = null;
  #source = ALL_LINES;
  #level = ALL;
  #shown;
  #text = "";
  #isKept = false;
  #table = null; // of its children, while that is open
  #allowed = "";

  /**
   * node: the step's element as served. shown: the step as `structure` had it then. pattern: a <template> of a log
   * line. sync(): gives the JobSync. watch(options): as of that.
   */
  constructor(node, shown, { pattern, sync, watch }) {
    this.#node = node;
    this.#pattern = pattern;
    this.#sync = sync;
    this.#watch = watch;
    this.#shown = shown;
    this.#level = this.#find("filter").querySelector("[aria-current=true]")?.dataset.levelOf ?? ALL;
    this.#onPress((level) => this.#filter(level));
    // As served it is a stop; with scripts see line_keys.js
    for (const link of this.#find("rows").querySelectorAll("a")) link.tabIndex = -1;
    this.#find("log").addEventListener("focusin", () => this.#listenToKeys(), { once: true });
  }

  get name() {
    return this.#node.dataset.step;
  }

  get isExpanded() {
    return this.#node.dataset.expanded === "true";
  }

  /** Whether the browser has it open, which it can be before it is expanded. */
  get isOpen() {
    return this.#node.open;
  }

  /** The step as `structure` has it. */
  get shown() {
    return this.#shown;
  }

  /** Where the step's failed children are listed. */
  get failedChildren() {
    return this.#find("failed-children");
  }

  /** Whether its children are shown, perhaps as served. */
  get showsChildren() {
    return !this.#find("children-panel").hidden;
  }

  /** Whether it had kept children of an earlier try when the page was served. */
  get isAgain() {
    return "again" in this.#node.dataset;
  }

  #find(name, attribute = "part") {
    const selector = `[data-${attribute}="${name}"]`;
    if (!this.#parts.has(selector)) this.#parts.set(selector, this.#node.querySelector(selector));
    return this.#parts.get(selector);
  }

  /**
   * Calls `action(isOpen)` when the viewer opens or closes the step, by the control or by the browser's own search in
   * the page.
   */
  onToggle(action) {
    this.#node.querySelector("[data-toggle-step]").addEventListener("click", (event) => {
      event.preventDefault();
      action(!this.isExpanded);
    });
    this.#node.addEventListener("toggle", () => {
      if (this.#node.open !== this.isExpanded) action(this.#node.open);
    });
  }

  #onPress(action) {
    this.#find("filter").addEventListener("click", (event) => {
      const link = event.target.closest("[data-level-of]");
      if (!link) return;
      event.preventDefault();
      action(link.dataset.levelOf === this.#level ? ALL : link.dataset.levelOf);
    });
  }

  async #listenToKeys() {
    const { goThroughLines } = await loaded(() => import("./line_keys.js"));
    goThroughLines(this.#find("log"), this.#find("rows"));
  }

  /** Opens or closes the step. A closed one holds no lines and fetches none. */
  expand(isOpen) {
    setAttribute(this.#node, "data-expanded", isOpen);
    if (this.#node.open !== isOpen) this.#node.open = isOpen;
    if (this.#isKept) return;
    if (isOpen) this.#table?.start();
    else this.#table?.stop();
    if (isOpen && !this.#log) this.#openLog();
    if (!isOpen) this.#closeLog();
  }

  /** Leaves the lines as they are from now on: those of a deleted job can't be had again. deleted.js says so. */
  keep() {
    this.#isKept = true;
  }

  /** Opens the step and goes there. */
  focus() {
    this.expand(true);
    this.#node.firstElementChild.focus();
  }

  /** Opens the step at a line. */
  async goTo(line) {
    if (this.#level !== ALL) this.#filter(ALL);
    this.expand(true);
    // Once the job is deleted there may be none, or one of a level
    if (this.#level === ALL) await this.#log?.goTo(line);
  }

  /** Shows the step as `structure` has it. Returns whether it has just started or failed. */
  show(step) {
    const text = JSON.stringify(step);
    if (text === this.#text) return false;
    const before = this.#shown;
    this.#text = text;
    this.#shown = step;
    setAttribute(this.#node, "data-status", step.status);
    setAttribute(this.#node, "data-log-count", step.log_count);
    setAttribute(this.#node, "data-child-count", step.child_count);
    showStatus(this.#find("badge"), step.status);
    showNote(this.#find("error"), step.error);
    this.#showChildren(step);
    this.#showActions(step);
    this.#showLines(step);
    this.#showTimes(step);
    const hasFailed = step.status === "failed" && before.status !== "failed";
    return hasFailed || (step.started_at !== null && step.started_at !== before.started_at);
  }

  /** Brings the time along that a running step has taken by `now` (ms). */
  tick(now) {
    if (this.#shown.status === "running") setText(this.#find("took"), elapsed(this.#shown, now));
    this.#table?.tick(now);
  }

  #showChildren({ children, child_count: total }) {
    setHidden(this.#find("children"), total === 0);
    for (const [status, count] of Object.entries(children)) this.#showCount(status, count);
    const bar = this.#find("bar");
    setAttribute(bar, "aria-label", `${children.completed} of ${total} children completed`);
    setAttribute(bar, "visibility", total === 0 ? "hidden" : "visible");
    let x = 0;
    BAR.forEach((status, place) => {
      const width = total === 0 ? 0 : (children[status] * 100) / total;
      setAttribute(bar.children[place], "x", `${x}%`);
      setAttribute(bar.children[place], "width", `${width}%`);
      x += width;
    });
  }

  #showActions(step) {
    const allowed = stepActions(step);
    const now = `${step.status} ${allowed}`;
    if (now !== this.#allowed) offer(this.#find("step-actions"), this.#find("step-said"), step.status, allowed);
    this.#allowed = now;
    setHidden(this.#find("show-children"), step.child_count === 0);
    setText(this.#find("child-number"), number(step.child_count));
    this.#table?.count(step);
  }

  /** Shows its children, or hides them. */
  async showChildren(isOpen = this.#find("children-panel").hidden) {
    const panel = this.#find("children-panel");
    setAttribute(this.#find("show-children"), "aria-expanded", isOpen);
    setHidden(panel, !isOpen);
    this.#table?.stop();
    this.#table = null;
    if (!isOpen) return;
    const { ChildTable } = await loaded(() => import("./children.js"));
    if (panel.hidden || this.#table) return; // the viewer has gone on
    this.#table = new ChildTable(panel, this.#shown, this.#watch);
    this.#table.start();
  }

  #showLines({ levels, log_count: total }) {
    for (const level of ["warning", "error"]) this.#showCount(level, levels[level]);
    setText(this.#find("lines"), number(total));
    setHidden(this.#find("download"), total === 0);
    this.#showFilter();
  }

  #showCount(name, count) {
    const node = this.#find(name, "count");
    setHidden(node, count === 0);
    setText(part(node, "number"), number(count));
  }

  #showTimes({ started_at: started, finished_at: finished }) {
    showTime(this.#find("started"), started);
    showTime(this.#find("finished"), finished);
    if (finished || !started) setText(this.#find("took"), elapsed(this.#shown));
  }

  // Lines

  /** Shows the lines of a level and above, or all. */
  #filter(level) {
    if (this.#isKept) return;
    const isOpen = this.isExpanded;
    this.#closeLog();
    this.#level = level;
    this.#showFilter();
    if (isOpen) this.#openLog();
  }

  #showFilter() {
    for (const link of this.#find("filter").querySelectorAll(".level")) {
      const level = link.dataset.levelOf;
      setText(link.lastElementChild, number(this.#shown.levels[level]));
      setAttribute(link, "aria-current", level === this.#level && level !== ALL);
    }
    setHidden(this.#find("level-said"), this.#level === ALL);
    if (this.#source.wordsOf) setText(this.#find("level-words"), this.#source.wordsOf(this.#shown));
  }

  async #openLog() {
    if (!this.#shown.finished_at) this.#find("log").classList.add("is-growing"); // room that is there from the start
    const level = this.#level;
    if (level !== ALL) {
      const { LevelLines } = await loaded(() => import("./level_lines.js"));
      if (level !== this.#level || this.#log || !this.isExpanded) return; // the viewer has gone on
      this.#source = new LevelLines(level);
      this.#showFilter();
    }
    const [step, source, sync] = [this.name, this.#source, this.#sync()];
    const log = new LogView(this.#node, {
      step,
      pattern: this.#pattern,
      source,
      read: (query) => sync.readLines(step, query),
      logCount: this.#shown.log_count,
    });
    this.#log = log;
    const onLines = (lines, logCount) => log.add(lines, logCount);
    sync.follow(step, { source, known: source.countOf(this.#shown), onLines, ...log.last });
  }

  #closeLog() {
    this.#sync().unfollow(this.name);
    this.#log?.close();
    this.#log = null;
    this.#source = ALL_LINES;
    empty(this.#find("log"), this.#find("rows"));
  }
}
