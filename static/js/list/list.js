// The list of jobs: shows what FeedSync brings. Rows are patched in place; new ones come from the list's own page.
//
// Nothing moves under a pointer or a focus: while the list is pointed at, focused or scrolled, another page of it
// waits, behind a button if it has new jobs. Statuses in place and the numbers are kept current all the time.

import { everySecond, pageClock } from "../lib/clock.js";
import { FeedSync } from "../sync/feed_sync.js";
import { startFilters } from "./filters.js";
import { Indicator } from "../lib/indicator.js";
import { keepRunning, outside } from "../sync/live.js";
import { moveSmoothly } from "../lib/motion.js";
import {
  elapsed,
  localizeTimes,
  number,
  part,
  patch,
  setAttribute,
  setHidden,
  setText,
  showNote,
  showStatus,
} from "../lib/show.js";
import { COMPLETED, TERMINAL, countDone } from "../lib/status.js";
import { Selection } from "./selection.js";

class ListPage {
  #root;
  #indicator;
  #sync;
  #clock = pageClock();
  #countedAt; // the change that the numbers are of
  #waiting = null; // the list of a page that isn't shown yet
  #selection;
  #bulk = null;

  constructor(root, indicator) {
    this.#root = root;
    this.#countedAt = changeOf(root);
    const served = {
      jobs: this.#shown,
      url: location.pathname + location.search,
      countsUrl: `/counts${location.search}`,
      etag: root.dataset.etag,
      statuses: root.dataset.statuses.split(",").filter(Boolean),
    };
    const handlers = {
      onPage: (...page) => this.#takePage(...page),
      onCounts: (counted) => this.#takeCounts(counted),
      onStructure: (structure) => this.#showJob(structure),
      onDeleted: (jobId) => this.#showDeleted(jobId),
      onConnection: (state) => this.#indicator.show(state),
    };
    this.#sync = new FeedSync({ ...served, ...handlers }, outside(this.#clock));
    this.#indicator = new Indicator(indicator, this.#clock, this.#sync);
    this.#selection = new Selection(root, (action, selected) => this.#act(action, selected));
  }

  start() {
    localizeTimes(this.#root);
    this.#indicator.show("reconnecting");
    everySecond(() => this.#tick());
    part(this.#root, "fresh").addEventListener("click", () => this.#showFresh());
    this.#root.addEventListener("pointerleave", () => this.#settle());
    // Only then is it known where the focus went
    this.#root.addEventListener("focusout", () => setTimeout(() => this.#settle()));
    addEventListener("scroll", () => this.#settle(), { passive: true });
    keepRunning(this.#sync);
  }

  get #rows() {
    return [...this.#root.querySelectorAll("[data-job-id]")];
  }

  /** The jobs of the rows, as FeedSync has them; one that is gone and only keeps its place is none. */
  get #shown() {
    return this.#rows.filter((row) => row.dataset.status !== "deleted").map(jobOf);
  }

  #rowOf(jobId) {
    return this.#rows.find((row) => row.dataset.jobId === jobId);
  }

  #tick() {
    this.#indicator.tick();
    this.#selection.show();
    this.#settle();
    if (!this.#indicator.isCurrent) return;
    for (const row of this.#rows) if (row.dataset.status === "running") this.#showTook(row);
  }

  #showTook(row) {
    const node = part(row, "took");
    const { started, finished } = node.dataset;
    setText(node, elapsed({ started_at: started, finished_at: finished }, this.#clock.now()));
  }

  // The list's own page

  /**
   * Takes over another page of the list, or has it wait. A page of an earlier change than what was known when it was
   * asked for is of another database: nothing stays.
   */
  #takePage(html, deleted, isAfterCounts) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const list = page.querySelector("[data-list]");
    localizeTimes(list);
    const isOlder = changeOf(list) < (isAfterCounts ? this.#countedAt : changeOf(this.#root));
    if (isOlder || changeOf(list) >= this.#countedAt) {
      this.#countedAt = changeOf(list);
      for (const name of ["counts", "total", "definitions"]) patch(part(document, name), part(page, name));
    }
    setAttribute(this.#root, "data-change", list.dataset.change);
    if (isOlder) this.#place(list, []);
    else if (this.#isHeld) this.#wait(list, deleted);
    else this.#place(list, this.#rows, deleted);
    return { jobs: this.#shown, isOlder };
  }

  /**
   * Shows the rows of another page. A row that is present stays as it is where it is newer, and where nothing has
   * changed.
   */
  #place(list, rows, deleted = new Set()) {
    const present = new Map(rows.map((row) => [row.dataset.jobId, row]));
    const wanted = rowsOf(list).filter((row) => !deleted.has(row.dataset.jobId));
    this.#move(() => {
      placeAll(part(this.#root, "rows"), wanted.map((row) => newest(present.get(row.dataset.jobId), row)));
      for (const name of ["empty", "pager"]) patch(part(this.#root, name), part(list, name));
    });
    this.#waiting = null;
    setHidden(part(this.#root, "fresh"), true);
  }

  #move(change) {
    moveSmoothly(() => document.querySelectorAll("[data-job-id], .pager, .column-side"), change);
  }

  // Waiting

  /** Says whether rows must stay where they are. */
  get #isHeld() {
    const rows = part(this.#root, "rows");
    if (!rows.firstElementChild) return false;
    const isPointedAt = matchMedia("(hover: hover)").matches && this.#root.matches(":hover");
    return isPointedAt || this.#root.contains(document.activeElement) || rows.getBoundingClientRect().top < 0;
  }

  /** Keeps a page until the list is let go. Of what it says only that is shown which moves nothing. */
  #wait(list, deleted) {
    this.#waiting = { list, deleted };
    const present = new Map(this.#rows.map((row) => [row.dataset.jobId, row]));
    const wanted = rowsOf(list);
    const isPresent = (row) => present.has(row.dataset.jobId);
    for (const row of wanted) if (isPresent(row)) newest(present.get(row.dataset.jobId), row.cloneNode(true));
    const last = wanted.findLastIndex(isPresent);
    const fresh = wanted.slice(0, last === -1 ? wanted.length : last).filter((row) => !isPresent(row)).length;
    const button = part(this.#root, "fresh");
    setText(button, `${number(fresh)} new ${fresh === 1 ? "job" : "jobs"} ↑`);
    setHidden(button, fresh === 0);
  }

  #settle() {
    if (this.#waiting && !this.#isHeld) this.#showWaiting();
  }

  #showWaiting() {
    this.#place(this.#waiting.list, this.#rows, this.#waiting.deleted);
    this.#sync.show(this.#shown);
  }

  /** Shows the new jobs, and goes to the first of them. */
  #showFresh() {
    this.#showWaiting();
    const first = this.#root.querySelector("[data-stop]");
    first?.focus({ preventScroll: true });
    first?.closest("[data-job-id]").scrollIntoView({ block: "center" });
  }

  // What FeedSync brings

  #takeCounts({ change, counts, total }) {
    if (change < this.#countedAt) return;
    this.#countedAt = change;
    for (const [name, count] of Object.entries(counts)) setText(part(part(document, "counts"), name), number(count));
    setText(part(document, "total"), `${number(total)} ${total === 1 ? "job" : "jobs"}`);
  }

  #showJob(structure) {
    const row = this.#rowOf(structure.job_id);
    if (!row) return;
    setAttribute(row, "data-status", structure.status);
    setAttribute(row, "data-revision", structure.revision);
    showStatus(part(row, "badge"), structure.status);
    showNote(part(row, "error"), structure.error);
    setAttribute(part(row, "error"), "title", structure.error ?? "");
    const waiting = part(row, "waiting");
    const reason = structure.waiting_for ?? "";
    setText(part(waiting, "reason"), reason);
    setAttribute(waiting, "title", reason && `waiting for ${reason}`);
    setHidden(waiting, reason === "");
    for (const step of structure.steps) {
      const segment = row.querySelector(`[data-segment="${CSS.escape(step.name)}"]`);
      if (!segment) continue; // of very many steps only the first are shown
      showStatus(segment, step.status, part(segment, "word"));
      setAttribute(segment, "title", `${step.name}: ${step.status}`);
    }
    setText(part(row, "done"), countDone(structure.steps, COMPLETED).words);
    const share = structure.status === "running" ? countDone(structure.steps, TERMINAL).share : 0;
    setAttribute(part(row, "bar").firstElementChild, "width", Math.round(share * 1000));
    setAttribute(part(row, "took"), "data-started", structure.started_at ?? "");
    setAttribute(part(row, "took"), "data-finished", structure.finished_at ?? "");
    this.#showTook(row);
  }

  /** Takes a row away, or where nothing may move says in its place that it is gone. */
  #showDeleted(jobId) {
    this.#selection.forget(jobId);
    const row = this.#rowOf(jobId);
    if (!row) return;
    if (!this.#isHeld) {
      this.#move(() => row.remove());
      return;
    }
    setAttribute(row, "data-status", "deleted");
    showStatus(part(row, "badge"), "deleted");
  }

  // Many at once

  async #act(action, { ids, isAll }) {
    const said = part(document, "said");
    setText(said, "");
    try {
      const { Bulk } = await import("./bulk.js").catch(() => {
        throw new Error("The server can't be reached.");
      });
      this.#bulk ??= new Bulk(document.querySelector("#bulk-dialog"));
      const done = await this.#bulk.run(action, isAll ? { query: location.search } : { ids });
      if (!done) return;
      setText(said, done);
      said.classList.remove("is-problem");
      this.#selection.clear();
      said.focus(); // the button is gone
    } catch (error) {
      setText(said, `${error.message} Nothing was done.`);
      said.classList.add("is-problem");
    }
  }
}

const changeOf = (list) => Number(list.dataset.change);
const rowsOf = (list) => [...list.querySelectorAll("[data-job-id]")];

function jobOf(row) {
  const segments = [...row.querySelectorAll("[data-segment]")];
  const statusOf = (segment) => [segment.dataset.segment, part(segment, "word").textContent];
  const steps = Object.fromEntries(segments.map(statusOf));
  return { id: row.dataset.jobId, revision: Number(row.dataset.revision), status: row.dataset.status, steps };
}

/**
 * Returns the row that is present, brought up to the served one if that is newer, or the served one where there is
 * none.
 */
function newest(present, served) {
  if (!present) return document.adoptNode(served);
  if (Number(served.dataset.revision) > Number(present.dataset.revision)) patch(present, served);
  return present;
}

/** Makes `nodes` the children of `list`, moving only those that aren't in their place. */
function placeAll(list, nodes) {
  const wanted = new Set(nodes);
  for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
  nodes.forEach((node, place) => {
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
  });
}

startFilters(document.querySelector(".search"));
new ListPage(document.querySelector("[data-list]"), document.querySelector("[data-connection]")).start();
